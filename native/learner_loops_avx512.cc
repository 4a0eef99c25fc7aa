#define FLYBRICK_SET avx512
#define FLYBRICK_TABLE kLearnerLoopsAvx512
#define FLYBRICK_WIDTH 16
#include "learner_loops_body.h"
