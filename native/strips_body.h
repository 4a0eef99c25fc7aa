// The table of strips.h for one instruction set. Everything lives in the set's own namespace and nothing inline from
// elsewhere is called, so no function compiled for one set can end up in another's place.
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "strips.h"

namespace flybrick {
namespace FLYBRICK_SET {

constexpr int kLanes = FLYBRICK_WIDTH;

template <class T, int n>
struct Wide {
  typedef T V __attribute__((vector_size(4 * n)));
  typedef T Loose __attribute__((vector_size(4 * n), aligned(4), may_alias));
  static V load(const T* p) { return *reinterpret_cast<const Loose*>(p); }
  static void store(T* p, V v) { *reinterpret_cast<Loose*>(p) = v; }
  static V all(T v) { return v - V{}; }
};

// body(n, position): whole vectors first, then fours, then single values.
template <int n> struct Number { static constexpr int value = n; };
template <class Body>
static inline void strip(int64_t n, Body body) {
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) body(Number<kLanes>{}, j);
  if (kLanes > 4)
    for (; j + 4 <= n; j += 4) body(Number<4>{}, j);
  for (; j < n; j++) body(Number<1>{}, j);
}

// ---- reduce

// Once NaN, always NaN: a later value neither beats it nor, being a number, replaces it.
template <ReduceOp op, class V>
static inline V better(V v, V best) {
  if constexpr (op == ReduceOp::sum) return best + v;
  else if constexpr (op == ReduceOp::min) return ((v < best) | (v != v)) ? v : best;
  else return ((v > best) | (v != v)) ? v : best;
}

template <class T, ReduceOp op>
static void across(const void* from, int64_t ld, int64_t rows, int64_t columns, int64_t first, double* value,
                   int32_t* index) {
  using W = Wide<T, kLanes>;
  for (int64_t i = 0; i < rows; i++) {
    const T* x = static_cast<const T*>(from) + i * ld;
    T best = x[0];
    int64_t j = 1;
    if (columns >= 4 * kLanes) {  // four chains hide the latency
      typename W::V a[4];
      for (int k = 0; k < 4; k++) a[k] = W::load(x + k * kLanes);
      for (j = 4 * kLanes; j + 4 * kLanes <= columns; j += 4 * kLanes)
        for (int k = 0; k < 4; k++) a[k] = better<op>(W::load(x + j + k * kLanes), a[k]);
      const typename W::V all = better<op>(better<op>(a[0], a[1]), better<op>(a[2], a[3]));
      best = all[0];
      for (int k = 1; k < kLanes; k++) best = better<op, T>(all[k], best);
    }
    for (; j < columns; j++) best = better<op, T>(x[j], best);
    if constexpr (op == ReduceOp::argmax) {
      if (!(best > value[i] || (best != best && value[i] == value[i]))) continue;
      int64_t at = 0;
      for (; at + 4 * kLanes <= columns; at += 4 * kLanes) {  // skip groups without it
        typename Wide<int32_t, kLanes>::V hits = {};
        for (int k = 0; k < 4; k++) {
          const typename W::V v = W::load(x + at + k * kLanes);
          hits |= (v == best) | (v != v);
        }
        int found = 0;
        for (int k = 0; k < kLanes; k++) found |= hits[k];
        if (found) break;
      }
      while (!(x[at] == best || x[at] != x[at])) at++;
      index[i] = static_cast<int32_t>(first + at);
      value[i] = best;
    } else {
      value[i] = better<op, double>(best, value[i]);
    }
  }
}

template <class T, ReduceOp op, int n, int wide>
static inline void downStrip(const T* x, int64_t ld, int64_t rows, double* value) {
  using W = Wide<T, n>;
  typename W::V a[wide];
  for (int k = 0; k < wide; k++) a[k] = W::load(x + k * n);
  for (int64_t i = 1; i < rows; i++) {
    x += ld;
#pragma GCC unroll 8
    for (int k = 0; k < wide; k++) a[k] = better<op>(W::load(x + k * n), a[k]);
  }
  for (int k = 0; k < wide; k++)
    for (int l = 0; l < n; l++) value[k * n + l] = better<op, double>(a[k][l], value[k * n + l]);
}

template <class T, ReduceOp op>
static void down(const void* from, int64_t ld, int64_t rows, int64_t columns, int64_t first, double* value,
                 int32_t* index) {
  const T* x = static_cast<const T*>(from);
  if constexpr (op == ReduceOp::argmax) {
    strip(columns, [&](auto n, int64_t j) {
      using W = Wide<T, n.value>;
      using I = Wide<int32_t, n.value>;
      typename W::V best = W::load(x + j);
      typename I::V at = {};
      for (int64_t i = 1; i < rows; i++) {
        const typename W::V v = W::load(x + i * ld + j);
        const auto wins = (v > best) | ((v != v) & (best == best));
        best = wins ? v : best;
        at = wins ? I::all(static_cast<int32_t>(i)) : at;
      }
      for (int k = 0; k < n.value; k++) {
        const double now = best[k], old = value[j + k];
        if (!(now > old || (now != now && old == old))) continue;
        value[j + k] = now;
        index[j + k] = static_cast<int32_t>(first) + at[k];
      }
    });
  } else {
    int64_t j = 0;
    // Several vectors side by side: memory is read in long runs.
    for (; j + 8 * kLanes <= columns; j += 8 * kLanes) downStrip<T, op, kLanes, 8>(x + j, ld, rows, value + j);
    for (; j + 2 * kLanes <= columns; j += 2 * kLanes) downStrip<T, op, kLanes, 2>(x + j, ld, rows, value + j);
    strip(columns - j, [&](auto n, int64_t k) { downStrip<T, op, n.value, 1>(x + j + k, ld, rows, value + j + k); });
  }
}

// ---- windows

template <int n, int wide>
static inline void largestStrip(const float* x, const int64_t* at, const int32_t* number, int count, float* out,
                                int32_t* tap) {
  using W = Wide<float, n>;
  using I = Wide<int32_t, n>;
  typename W::V best[wide];
  typename I::V which[wide];
  for (int k = 0; k < wide; k++) best[k] = W::load(x + at[0] + k * n), which[k] = I::all(number[0]);
  for (int t = 1; t < count; t++) {
    const float* place = x + at[t];
    const typename I::V here = I::all(number[t]);
#pragma GCC unroll 4
    for (int k = 0; k < wide; k++) {
      const typename W::V v = W::load(place + k * n);
      const typename I::V wins = ~(v <= best[k]) & (best[k] == best[k]);  // larger, or the first NaN
      best[k] = wins ? v : best[k];
      which[k] = wins ? here : which[k];
    }
  }
  for (int k = 0; k < wide; k++) W::store(out + k * n, best[k]), I::store(tap + k * n, which[k]);
}

static void largest(const float* x, const int64_t* at, const int32_t* number, int count, int64_t n, float* out,
                    int32_t* tap) {
  int64_t j = 0;
  for (; j + 4 * kLanes <= n; j += 4 * kLanes)
    largestStrip<kLanes, 4>(x + j, at, number, count, out + j, tap + j);
  for (; j + 2 * kLanes <= n; j += 2 * kLanes)
    largestStrip<kLanes, 2>(x + j, at, number, count, out + j, tap + j);
  strip(n - j, [&](auto w, int64_t k) {
    largestStrip<w.value, 1>(x + j + k, at, number, count, out + j + k, tap + j + k);
  });
}

static void sum(const float* x, const int64_t* at, int count, int64_t n, float* out) {
  using W = Wide<float, kLanes>;
  for (int64_t j = 0; j < n; j += kLanes) {
    typename W::V total = {};
    for (int t = 0; t < count; t++) total += W::load(x + at[t] + j);
    W::store(out + j, total);
  }
}

// A constant number of rows and times lets the loops be unrolled; 0: what is given.
template <int fixedRows, int fixedTimes>
static void collectOf(const float* x, int64_t row, int givenRows, int64_t lines, int64_t n, int64_t channels, int givenTimes,
                      float* out) {
  using W = Wide<float, kLanes>;
  const int rows = fixedRows ? fixedRows : givenRows, times = fixedTimes ? fixedTimes : givenTimes;
  for (; lines > 0; lines--, x += rows * row) {
    const float* from = x;
    for (int64_t i = 0; i < n; i++, from += times * channels, out += channels)
      for (int64_t j = 0; j < channels; j += kLanes) {
        typename W::V total = {};
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
          for (int t = 0; t < times; t++) total += W::load(from + r * row + t * channels + j);
        W::store(out + j, total);
      }
  }
}

// Where each lane of a vector of whole pixels comes from: numbers of floats in their pixels' order.
template <class Place>
static inline typename Wide<int32_t, kLanes>::V lanesFrom(int64_t used, Place place) {
  typename Wide<int32_t, kLanes>::V from = {};
  for (int64_t lane = 0; lane < used; lane++) from[lane] = static_cast<int32_t>(place(lane));
  return from;
}

// Lanes by numbers, of one vector or of two in a row.
template <class V, class Numbers>
static inline V pick(V v, Numbers at) {
#if defined(__clang__)
  V out;
  for (int i = 0; i < kLanes; i++) out[i] = v[at[i]];
  return out;
#else
  return __builtin_shuffle(v, at);
#endif
}
template <class V, class Numbers>
static inline V pick(V low, V high, Numbers at) {
#if defined(__clang__)
  return at < kLanes ? pick(low, at & (kLanes - 1)) : pick(high, at & (kLanes - 1));
#else
  return __builtin_shuffle(low, high, at);
#endif
}

// Pairs of pixels of few channels: several results in a vector, picked out of the rows' sum.
static void collectPairs(const float* x, int64_t row, int rows, int64_t lines, int64_t n, int64_t channels, float* out) {
  using W = Wide<float, kLanes>;
  const int64_t pixels = kLanes / channels, used = pixels * channels;
  const auto even = lanesFrom(used, [&](int64_t lane) { return lane + lane / channels * channels; }), odd = even + static_cast<int32_t>(channels);
  for (; lines > 0; lines--, x += rows * row, out += n * channels) {
    const float* from = x;
    float* to = out;
    for (int64_t left = n; left > 0; left -= pixels, from += 2 * used, to += used) {
      typename W::V low = W::load(from), high = W::load(from + kLanes);
      for (int r = 1; r < rows; r++) low += W::load(from + r * row), high += W::load(from + r * row + kLanes);
      W::store(to, pick(low, high, even) + pick(low, high, odd));
    }
  }
}

static void collect(const float* x, int64_t row, int rows, int64_t lines, int64_t n, int64_t channels, int times, float* out) {
  if (kLanes > 4 && times == 2 && 2 * channels <= kLanes) collectPairs(x, row, rows, lines, n, channels, out);
  else if (rows == 2 && times == 2) collectOf<2, 2>(x, row, rows, lines, n, channels, times, out);
  else collectOf<0, 0>(x, row, rows, lines, n, channels, times, out);
}

template <int fixedTimes>
static void repeatOf(const float* x, int64_t n, int64_t channels, int givenTimes, float* out) {
  using W = Wide<float, kLanes>;
  const int times = fixedTimes ? fixedTimes : givenTimes;
  for (; n > 0; n--, x += channels)
#pragma GCC unroll 2
    for (int t = 0; t < times; t++, out += channels)
      for (int64_t j = 0; j < channels; j += kLanes) W::store(out + j, W::load(x + j));
}

static void repeat(const float* x, int64_t row, int rows, int64_t first, int64_t lines, int64_t n, int64_t channels, int times, float* out) {
  using W = Wide<float, kLanes>;
  const int64_t wide = times * channels;
  // Of few channels, all copies of a pixel or more lie in one vector.
  const bool few = kLanes > 4 && wide <= kLanes;
  const int64_t pixels = few ? kLanes / wide : 0;
  const auto lanes = lanesFrom(pixels * wide, [&](int64_t lane) { return lane / wide * channels + lane % channels; });
  for (int64_t end = first + lines; first < end; first++, out += n * wide) {
    const float* from = x + first / rows * row;
    float* to = out;
    if (few)
      for (int64_t left = n; left > 0; left -= pixels, from += pixels * channels, to += pixels * wide)
        W::store(to, pick(W::load(from), lanes));
    else if (times == 2) repeatOf<2>(from, n, channels, times, out);
    else repeatOf<0>(from, n, channels, times, out);
  }
}

// n tap numbers as integers. GCC 12 widens bytes one by one unless told the instruction.
template <int n, class Tap>
static inline typename Wide<int32_t, n>::V widen(const Tap* p) {
#if defined(__AVX512F__)
  if constexpr (sizeof(Tap) == 1 && n == 16)
    return (typename Wide<int32_t, n>::V)_mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128((const __m128i*)p));
#elif defined(__AVX2__)
  if constexpr (sizeof(Tap) == 1 && n == 8)
    return (typename Wide<int32_t, n>::V)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p));
#endif
  typedef Tap Packed __attribute__((vector_size(sizeof(Tap) * n), aligned(sizeof(Tap)), may_alias));
  return __builtin_convertvector(*reinterpret_cast<const Packed*>(p), typename Wide<int32_t, n>::V);
}

template <class Tap, int n, int wide>
static inline void whereStrip(const float* x, const int64_t* at, const Tap* taps, const int64_t* tapAt,
                              const int32_t* number, int count, float* out) {
  using W = Wide<float, n>;
  using I = Wide<int32_t, n>;
  typename W::V total[wide] = {};
  for (int t = 0; t < count; t++) {
    const float* place = x + at[t];
    const Tap* tap = taps + tapAt[t];
    const typename I::V here = I::all(number[t]);
#pragma GCC unroll 2
    for (int k = 0; k < wide; k++) {
      const typename I::V which = widen<n>(tap + k * n);
      total[k] += which == here ? W::load(place + k * n) : typename W::V{};
    }
  }
  for (int k = 0; k < wide; k++) W::store(out + k * n, total[k]);
}

template <class Tap>
static void sumWhere(const float* x, const int64_t* at, const Tap* taps, const int64_t* tapAt, const int32_t* number,
                     int count, int64_t n, float* out) {
  int64_t j = 0;
  for (; j + 2 * kLanes <= n; j += 2 * kLanes)
    whereStrip<Tap, kLanes, 2>(x + j, at, taps + j, tapAt, number, count, out + j);
  strip(n - j, [&](auto w, int64_t k) {
    whereStrip<Tap, w.value, 1>(x + j + k, at, taps + j + k, tapAt, number, count, out + j + k);
  });
}

// ---- resize

static void blend(const float* a, const float* b, float weight, int64_t n, float* out) {
  const float rest = 1 - weight;
  strip(n, [&](auto w, int64_t j) {
    using W = Wide<float, w.value>;
    W::store(out + j, W::load(a + j) * rest + W::load(b + j) * weight);
  });
}

static void spread(const float* row, const int32_t* low, const float* weight, int64_t n, float* out) {
  using W = Wide<float, kLanes>;
  using I = Wide<int32_t, kLanes>;
  for (int64_t j = 0; j < n; j += kLanes) {
    const typename W::V w = W::load(weight + j);
    typename W::V a, b;
    if (low[j + kLanes - 1] - low[j] < kLanes) {  // enlarging: all sources lie in one vector
      const typename I::V at = I::load(low + j) - low[j];
      a = pick(W::load(row + low[j]), at);
      b = pick(W::load(row + low[j] + 1), at);
    } else {
      for (int k = 0; k < kLanes; k++) a[k] = row[low[j + k]], b[k] = row[low[j + k] + 1];
    }
    W::store(out + j, a * (1 - w) + b * w);
  }
}

static void addScaled(const float* x, float weight, int64_t n, float* to) {
  strip(n, [&](auto w, int64_t j) {
    using W = Wide<float, w.value>;
    W::store(to + j, W::load(to + j) + W::load(x + j) * weight);
  });
}

}  // namespace FLYBRICK_SET

#define FLYBRICK_FOLDS(fold, T)                                                              \
  {                                                                                          \
    FLYBRICK_SET::fold<T, ReduceOp::sum>, FLYBRICK_SET::fold<T, ReduceOp::max>,              \
        FLYBRICK_SET::fold<T, ReduceOp::min>, FLYBRICK_SET::fold<T, ReduceOp::argmax>        \
  }
const Strips FLYBRICK_TABLE = {
    FLYBRICK_WIDTH,
    {FLYBRICK_FOLDS(across, float), FLYBRICK_FOLDS(across, int32_t)},
    {FLYBRICK_FOLDS(down, float), FLYBRICK_FOLDS(down, int32_t)},
    FLYBRICK_SET::largest,
    FLYBRICK_SET::sum,
    FLYBRICK_SET::collect,
    FLYBRICK_SET::repeat,
    FLYBRICK_SET::sumWhere<uint8_t>,
    FLYBRICK_SET::sumWhere<int32_t>,
    FLYBRICK_SET::blend,
    FLYBRICK_SET::spread,
    FLYBRICK_SET::addScaled,
};

}  // namespace flybrick
