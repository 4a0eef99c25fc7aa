#define FLYBRICK_SET portable
#define FLYBRICK_TABLE kLanesPortable
#define FLYBRICK_WIDTH 4
#include "lanes_body.h"
