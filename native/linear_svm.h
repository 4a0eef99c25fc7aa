// Linear SVMs by dual coordinate descent (Hsieh, Chang, Lin, Keerthi and Sundararajan, 2008), one class against the rest.
#pragma once
#include "svm.h"

namespace flybrick {

struct LinearSvmSettings {
  int64_t examples, columns;
  double C, tolerance;
  int64_t maxIterations;  // passes over the examples
  bool squared;           // the hinge's square instead of the hinge
  uint64_t seed;
};

// `x` [examples][columns]; a class is its number among `labels`. Writes each class's weights [columns], its intercept
// behind them, and `results`: the dual objective and the passes it took. The intercept is the weight of a feature that is
// 1 everywhere, penalised as the others. Results do not depend on threads.
void linearSvmFit(Pool& pool, const float* x, const int32_t* labels, const int32_t* classes, int64_t classCount,
                  const LinearSvmSettings& settings, double* weights, double* results, Control control);

}  // namespace flybrick
