// Each class is one task. The weights stay in cache while rows of x pass by in random order; examples at a bound that the
// optimum will leave there are skipped, until a last pass over all confirms it.
#include "linear_svm.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "random.h"

namespace flybrick {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A dual objective to be minimised: |w|^2 / 2 + diagonal / 2 sum alpha^2 - sum alpha, w = sum of alpha y x, 0 <= alpha <= most.
void solve(const float* x, const int32_t* labels, int32_t positive, const LinearSvmSettings& s, const float* norms, Random random,
           double* w, double* result, Control control) {
  const LearnerLoops& loops = learnerLoops();
  const int64_t n = s.examples, d = s.columns;
  const double diagonal = s.squared ? 0.5 / s.C : 0, most = s.squared ? kInfinity : s.C;
  double& bias = w[d];
  std::fill(w, w + d + 1, 0.0);
  std::vector<double> alpha(n);
  std::vector<int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  int64_t active = n, pass = 0;
  bool converged = false;
  double above = kInfinity, below = -kInfinity;  // of the last pass's gradients: what lies outside is skipped
  while (pass < s.maxIterations && !control.stopped()) {
    pass++;
    double highest = -kInfinity, lowest = kInfinity;
    for (int64_t i = 0; i < active; i++) std::swap(order[i], order[i + random.below(active - i)]);
    for (int64_t k = 0; k < active; k++) {
      const int32_t i = order[k];
      const float* row = x + i * d;
      const double y = labels[i] == positive ? 1 : -1;
      double& a = alpha[i];
      const double slope = y * (loops.dot(w, row, d) + bias) - 1 + diagonal * a;
      if ((a == 0 && slope > above) || (a == most && slope < below)) {
        std::swap(order[k--], order[--active]);
        continue;
      }
      const double inside = a == 0 ? std::min(slope, 0.0) : a == most ? std::max(slope, 0.0) : slope;
      highest = std::max(highest, inside);
      lowest = std::min(lowest, inside);
      if (inside == 0) continue;
      const double before = a;
      a = std::min(std::max(a - slope / (norms[i] + 1 + diagonal), 0.0), most);
      const double step = (a - before) * y;
      loops.addScaled(w, step, row, d);
      bias += step;
    }
    if (active == 0 || highest - lowest <= s.tolerance) {
      converged = active == n;
      if (converged) break;
      active = n;
      above = kInfinity, below = -kInfinity;
      continue;
    }
    above = highest > 0 ? highest : kInfinity;
    below = lowest < 0 ? lowest : -kInfinity;
  }
  double objective = 0;
  for (int64_t j = 0; j <= d; j++) objective += w[j] * w[j] / 2;
  for (int64_t i = 0; i < n; i++) objective += alpha[i] * (diagonal * alpha[i] / 2 - 1);
  result[0] = objective;
  result[1] = double(pass);
  result[2] = converged;
}

}  // namespace

void linearSvmFit(Pool& pool, const float* x, const int32_t* labels, const int32_t* classes, int64_t classCount,
                  const LinearSvmSettings& settings, double* weights, double* results, Control control) {
  const int64_t d = settings.columns;
  std::vector<float> norms(settings.examples);
  for (int64_t i = 0; i < settings.examples; i++) {
    double norm = 0;
    for (int64_t j = 0; j < d; j++) norm += double(x[i * d + j]) * x[i * d + j];
    norms[i] = float(norm);
  }
  pool.parallel(classCount, [&](int64_t c, int) {
    if (control.stopped()) return;
    solve(x, labels, classes[c], settings, norms.data(), Random::of(settings.seed, uint64_t(c)), weights + c * (d + 1), results + 3 * c, control);
    control.done();
  });
}

}  // namespace flybrick
