// The table of lanes.h for one instruction set. Each loop runs over whole vectors where its memory allows it
// (tiles and buffers have slack behind them) and never lets a padding lane reach a result.
#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__wasm__)
#include <wasm_simd128.h>
#endif

#include "lanes.h"

#define FLYBRICK_TEXT2(x) #x
#define FLYBRICK_TEXT(x) FLYBRICK_TEXT2(x)

namespace flybrick {
namespace FLYBRICK_SET {

constexpr int kWidth = FLYBRICK_WIDTH;
#include "vector_math.h"

// ---- instructions of the tile interpreter; the bodies come from the scalar table

#define FLYBRICK_BODY(name, R, A, B, C, E, ...)                                                             \
  static void name(char* to, const Argument& sa, const Argument& sb, const Argument& sc, const Argument& sd, int n) { \
    const char *pa = sa.at, *pb = sb.at, *pc = sc.at, *pd = sd.at;                                          \
    const int64_t ia = sa.step, ib = sb.step, ic = sc.step, id = sd.step;                                   \
    const F zero = {};                                                                                      \
    (void)zero, (void)pb, (void)pc, (void)pd, (void)ib, (void)ic, (void)id;                                 \
    for (int i = 0; i < n; i += kWidth, to += kWidth * 4, pa += ia, pb += ib, pc += ic, pd += id) {         \
      const A a = *(const A*)pa;                                                                            \
      const B b = *(const B*)pb;                                                                            \
      const C c = *(const C*)pc;                                                                            \
      const E d = *(const E*)pd;                                                                            \
      (void)b, (void)c, (void)d;                                                                            \
      *(R*)to = (R)(__VA_ARGS__);                                                                           \
    }                                                                                                       \
  }
#include "generated/bodies.h"
#undef FLYBRICK_BODY

#define FLYBRICK_NAME(name) name,
static const Body kBodies[] = {FLYBRICK_BODIES(FLYBRICK_NAME)};
#undef FLYBRICK_NAME

static double sumExp(const float* x, int n, float top) {
  F sum = {};
  int i = 0;
  for (; i + kWidth <= n; i += kWidth) sum += exp_v(*(const F*)(x + i) - top);
  if (i < n) {
    F rest = splat(-kInfinity);
    for (int k = 0; i + k < n; k++) rest[k] = x[i + k] - top;
    sum += exp_v(rest);
  }
  double total = 0;
  for (int k = 0; k < kWidth; k++) total += sum[k];
  return total;
}

}  // namespace FLYBRICK_SET

extern const Lanes FLYBRICK_TABLE;
const Lanes FLYBRICK_TABLE = {FLYBRICK_WIDTH, FLYBRICK_SET::kBodies, FLYBRICK_SET::sumExp};

}  // namespace flybrick
