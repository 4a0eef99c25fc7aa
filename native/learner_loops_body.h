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

// Which way a walker goes cannot be guessed, so nothing here is a branch on it, and all wait for memory together.
static int64_t treeLevel(const int32_t* nodes, const float* thresholds, const float* x, int64_t columns, int64_t open, Walkers w, int32_t* ends) {
  int64_t kept = 0;
#if defined(__AVX512F__)
  const __m512i zero = _mm512_setzero_si512(), width = _mm512_set1_epi32(int32_t(columns)), rows = _mm512_set1_epi32(kWalkRows - 1);
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
  for (int64_t k = 0; k < open; k += kWidth) {
    const __mmask16 here = __mmask16(open - k < kWidth ? (1 << (open - k)) - 1 : -1);
    const __m512i node = _mm512_maskz_loadu_epi32(here, w.nodes + k), place = _mm512_maskz_loadu_epi32(here, w.places + k);
    // Under masks that are not constant, or the compiler leaves out the zeros and each gather waits for what its register held.
    const __m512i first = _mm512_mask_i32gather_epi64(zero, __mmask8(here), _mm512_castsi512_si256(node), nodes, 8);
    const __m512i second = _mm512_mask_i32gather_epi64(zero, __mmask8(here >> 8), _mm512_extracti64x4_epi64(node, 1), nodes, 8);
    const __m512i feature = _mm512_permutex2var_epi32(first, even, second), other = _mm512_permutex2var_epi32(first, odd, second);
    const __mmask16 goes = _mm512_mask_cmpge_epi32_mask(here, feature, zero);
    const __m512i at = _mm512_add_epi32(_mm512_mullo_epi32(_mm512_and_si512(place, rows), width), feature);
    const __m512 threshold = _mm512_mask_i32gather_ps(_mm512_castsi512_ps(zero), goes, node, thresholds, 4);
    const __m512 value = _mm512_mask_i32gather_ps(_mm512_castsi512_ps(zero), goes, at, x, 4);
    const __mmask16 isLeft = _mm512_mask_cmp_ps_mask(goes, value, threshold, _CMP_LE_OQ);
    const __m512i next = _mm512_mask_add_epi32(other, isLeft, node, _mm512_set1_epi32(1));
    _mm512_storeu_si512(w.nodes + kept, _mm512_maskz_compress_epi32(goes, next));
    _mm512_storeu_si512(w.places + kept, _mm512_maskz_compress_epi32(goes, place));
    kept += __builtin_popcount(goes);
    if (here != goes) _mm512_mask_i32scatter_epi32(ends, __mmask16(here & ~goes), place, other, 4);
  }
#else
  for (int64_t k = 0; k < open; k++) {
    const int32_t node = w.nodes[k], place = w.places[k], feature = nodes[2 * int64_t(node)], other = nodes[2 * int64_t(node) + 1];
    const int32_t goes = feature >= 0, isLeft = x[(place % kWalkRows) * columns + (feature & -goes)] <= thresholds[node];
    w.nodes[kept] = other ^ ((other ^ (node + 1)) & -isLeft);
    w.places[kept] = place;
    ends[place] = other;
    kept += goes;
  }
#endif
  return kept;
}

}  // namespace FLYBRICK_SET

const LearnerLoops FLYBRICK_TABLE = {FLYBRICK_SET::svmUpdate, FLYBRICK_SET::svmPartner, FLYBRICK_SET::svmFinish, FLYBRICK_SET::dot, FLYBRICK_SET::addScaled, FLYBRICK_SET::treeLevel};

}  // namespace flybrick
