#define FLYBRICK_SET strips_avx2
#define FLYBRICK_TABLE kStripsAvx2
#define FLYBRICK_WIDTH 8
#include "strips_body.h"
