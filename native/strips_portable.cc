#define FLYBRICK_SET strips_portable
#define FLYBRICK_TABLE kStripsPortable
#define FLYBRICK_WIDTH 4
#include "strips_body.h"
