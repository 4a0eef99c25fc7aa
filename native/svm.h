// C-SVM duals by sequential minimal optimisation.
#pragma once
#include "learner_loops.h"
#include "step.h"

namespace flybrick {

struct SvmSettings {
  SvmKernel kernel;
  int64_t columns;
  double C, tolerance;
  double cacheBytes;      // of kernel rows, of all problems that run at once together
  double maxIterations;
};

// Two classes: `rows` numbers examples, the first `positives` of them positive.
struct SvmProblem {
  const int32_t* rows;
  int64_t count, positives;
  double* beta;           // count: label times dual variable
  // Intercept and dual objective, NaN where kernel values overflow; iterations, kernel rows computed, shrinkings, and
  // whether the optimum was reached.
  double* result;
};

// What JavaScript watches and may stop.
struct Control {
  int32_t* cells;  // stop, done
  bool stopped() const { return __atomic_load_n(cells, __ATOMIC_RELAXED) != 0; }
  void done() const { __atomic_add_fetch(cells + 1, 1, __ATOMIC_RELAXED); }
};

// Examples and kernel rows that a problem of `count` examples needs at least; settings.cacheBytes must hold them for
// each of the problems that run at once.
int64_t svmLeastBytes(int64_t count);

// Solves every problem; results do not depend on threads. `x` holds rows of settings.columns.
void svmFit(Pool& pool, const float* x, const SvmSettings& settings, const SvmProblem* problems, int64_t count, Control control);

}  // namespace flybrick
