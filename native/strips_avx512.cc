#define FLYBRICK_SET strips_avx512
#define FLYBRICK_TABLE kStripsAvx512
#define FLYBRICK_WIDTH 16
#include "strips_body.h"
