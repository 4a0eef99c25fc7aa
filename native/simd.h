// Vectors of kLanes floats over GCC vector types. No include guard on purpose: each instruction set includes this
// once, inside its own namespace, after it has set kLanes.
typedef float Vector __attribute__((vector_size(4 * kLanes)));
typedef float Unaligned __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));
typedef int32_t Indices __attribute__((vector_size(4 * kLanes)));

#define FB_INLINE static inline __attribute__((always_inline))

FB_INLINE Vector load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
FB_INLINE void store(float* p, Vector v) { *reinterpret_cast<Unaligned*>(p) = v; }

// The first n lanes, n <= kLanes; zeros behind. Reads nothing past them.
FB_INLINE Vector loadPart(const float* p, int n) {
#ifdef __AVX512F__
  return (Vector)_mm512_maskz_loadu_ps((1u << n) - 1, p);
#else
  Vector v = {};
  for (int i = 0; i < n; i++) v[i] = p[i];
  return v;
#endif
}

FB_INLINE void storePart(float* p, Vector v, int n) {
#ifdef __AVX512F__
  _mm512_mask_storeu_ps(p, (1u << n) - 1, (__m512)v);
#else
  for (int i = 0; i < n; i++) p[i] = v[i];
#endif
}

FB_INLINE void copy(float* to, const float* from, int64_t n) {
  for (; n >= kLanes; n -= kLanes, to += kLanes, from += kLanes) store(to, load(from));
  if (n > 0) storePart(to, loadPart(from, n), n);
}

FB_INLINE void clear(float* to, int64_t n) {
  for (; n >= kLanes; n -= kLanes, to += kLanes) store(to, Vector{});
  if (n > 0) storePart(to, Vector{}, n);
}

// One stage of a transpose: swaps the off-diagonal blocks of size `half` between rows i and i + half.
template <int half, int... lane>
FB_INLINE void swapBlocks(Vector& a, Vector& b, std::integer_sequence<int, lane...>) {
  const Indices low = {(lane & half ? kLanes + lane - half : lane)...};
  const Indices high = {(lane & half ? kLanes + lane : lane + half)...};
  const Vector first = __builtin_shuffle(a, b, low);
  b = __builtin_shuffle(a, b, high);
  a = first;
}

template <int half>
FB_INLINE void transpose(Vector (&rows)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; i++)
    if (!(i & half)) swapBlocks<half>(rows[i], rows[i + half], std::make_integer_sequence<int, kLanes>{});
  if constexpr (half > 1) transpose<half / 2>(rows);
}
