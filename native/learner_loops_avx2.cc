#define FLYBRICK_SET avx2
#define FLYBRICK_TABLE kLearnerLoopsAvx2
#define FLYBRICK_WIDTH 8
#include "learner_loops_body.h"
