#define FLYBRICK_SET avx2
#define FLYBRICK_TABLE kLanesAvx2
#define FLYBRICK_WIDTH 8
#include "lanes_body.h"
