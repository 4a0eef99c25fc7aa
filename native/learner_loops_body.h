// The table of learner_loops.h for one instruction set.
#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__wasm__)
#include <wasm_simd128.h>
#endif

#include "learner_loops.h"

namespace flybrick {
namespace FLYBRICK_SET {

constexpr int kWidth = FLYBRICK_WIDTH, kHalf = kWidth / 2;
#include "vector_math.h"

constexpr int64_t kBlock = 512;  // places whose best is kept together; the winner's block is looked through again
typedef double HalfD __attribute__((vector_size(8 * kHalf), aligned(8), may_alias));
typedef float HalfF __attribute__((vector_size(4 * kHalf), aligned(4), may_alias));

static inline HalfD wide(const float* p) { return __builtin_convertvector(*(const HalfF*)p, HalfD); }

static int64_t svmUpdate(double* f, int64_t n, double delta, const float* a, const float* b, const float* up) {
  double best = -__builtin_inf();
  int64_t where = -1;
  for (int64_t block = 0; block < n; block += kBlock) {
    const int64_t end = block + kBlock < n ? block + kBlock : n;
    HalfD most = HalfD{} - __builtin_inf();
    for (int64_t i = block; i < end; i += kHalf) {
      const HalfD v = *(HalfD*)(f + i) - delta * (wide(a + i) - wide(b + i));
      *(HalfD*)(f + i) = v;
      const HalfD may = v + wide(up + i);
      most = may > most ? may : most;
    }
    double top = most[0];
    for (int l = 1; l < kHalf; l++) top = most[l] > top ? most[l] : top;
    if (top > best) best = top, where = block;
  }
  while (where >= 0 && !(f[where] + up[where] == best)) where++;
  return where;
}

static int64_t svmPartner(const double* f, int64_t n, double fi, float kii, const float* row, const float* diagonal, const float* low, double* gap) {
  float best = 0, widest = -__builtin_inff();
  int64_t where = -1;
  for (int64_t block = 0; block < n; block += kBlock) {
    const int64_t end = block + kBlock < n ? block + kBlock : n;
    HalfF most = HalfF{}, gaps = HalfF{} - __builtin_inff();
    for (int64_t i = block; i < end; i += kHalf) {
      const HalfF b = __builtin_convertvector(fi - *(const HalfD*)(f + i), HalfF) - *(const HalfF*)(low + i);
      HalfF a = kii + *(const HalfF*)(diagonal + i) - 2.0f * *(const HalfF*)(row + i);
      a = a > 1e-12f ? a : HalfF{} + 1e-12f;
      const HalfF gain = b > 0.0f ? b * b / a : HalfF{};
      most = gain > most ? gain : most;
      gaps = b > gaps ? b : gaps;
    }
    float top = 0;
    for (int l = 0; l < kHalf; l++) top = most[l] > top ? most[l] : top, widest = gaps[l] > widest ? gaps[l] : widest;
    if (top > best) best = top, where = block;
  }
  *gap = widest;
  for (; where >= 0; where++) {
    const float b = float(fi - f[where]) - low[where], a = kii + diagonal[where] - 2.0f * row[where];
    // The compiler may contract the products above and not here: almost equal is equal.
    if (b > 0.0f && b * b / (a > 1e-12f ? a : 1e-12f) >= best * (1 - 1e-6f)) return where;
  }
  return where;
}

static void svmFinish(const SvmKernel& kernel, int64_t rows, int64_t columns, const float* c, int64_t ld, const float* rowNorms,
                      const float* columnNorms, float* const* to) {
  for (int64_t j = 0; j < columns; j++)
    for (int64_t i = 0; i < rows; i += kWidth) {
      const int n = rows - i < kWidth ? int(rows - i) : kWidth;
      F v = {}, norms = {};
      for (int l = 0; l < n; l++) v[l] = c[(i + l) * ld + j], norms[l] = rowNorms[i + l];
      switch (kernel.kind) {
        case SvmKernelKind::linear: break;
        case SvmKernelKind::rbf: {
          const F distance = norms + columnNorms[j] - 2.0f * v;
          v = exp_v(-kernel.gamma * (distance > 0.0f ? distance : F{}));
          break;
        }
        case SvmKernelKind::poly: v = pow_v(kernel.gamma * v + kernel.coef0, splat(kernel.degree)); break;
        case SvmKernelKind::sigmoid: v = tanh_v(kernel.gamma * v + kernel.coef0); break;
      }
      if (n == kWidth) *(F*)(to[j] + i) = v;
      else for (int l = 0; l < n; l++) to[j][i + l] = v[l];
    }
}

static double dot(const double* w, const float* x, int64_t n) {
  HalfD sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * kHalf <= n; i += 4 * kHalf)
    for (int k = 0; k < 4; k++) sums[k] += *(const HalfD*)(w + i + k * kHalf) * wide(x + i + k * kHalf);
  const HalfD all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  double sum = 0;
  for (int l = 0; l < kHalf; l++) sum += all[l];
  for (; i < n; i++) sum += w[i] * x[i];
  return sum;
}

static void addScaled(double* w, double a, const float* x, int64_t n) {
  int64_t i = 0;
  for (; i + kHalf <= n; i += kHalf) *(HalfD*)(w + i) += a * wide(x + i);
  for (; i < n; i++) w[i] += a * x[i];
}

}  // namespace FLYBRICK_SET

const LearnerLoops FLYBRICK_TABLE = {FLYBRICK_SET::svmUpdate, FLYBRICK_SET::svmPartner, FLYBRICK_SET::svmFinish, FLYBRICK_SET::dot, FLYBRICK_SET::addScaled};

}  // namespace flybrick
