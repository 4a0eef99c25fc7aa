#define FLYBRICK_SET avx512
#define FLYBRICK_TABLE kLanesAvx512
#define FLYBRICK_WIDTH 16
#include "lanes_body.h"
