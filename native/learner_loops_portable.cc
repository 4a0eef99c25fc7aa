#define FLYBRICK_SET portable
#define FLYBRICK_TABLE kLearnerLoopsPortable
#define FLYBRICK_WIDTH 4
#include "learner_loops_body.h"
