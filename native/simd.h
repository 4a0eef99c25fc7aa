// Vectors of kLanes floats over GCC vector types. No include guard on purpose: each instruction set includes this
// once, inside its own namespace, after it has set kLanes and FB_MASKS (width of its masked loads, in bits, or 0).
typedef float Vector __attribute__((vector_size(4 * kLanes)));
typedef float Unaligned __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));
typedef int32_t Indices __attribute__((vector_size(4 * kLanes)));

#define FB_INLINE static inline __attribute__((always_inline))

FB_INLINE Vector load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
FB_INLINE void store(float* p, Vector v) { *reinterpret_cast<Unaligned*>(p) = v; }

// The first n lanes, n <= kLanes; zeros behind. Reads nothing past them.
FB_INLINE Vector loadPart(const float* p, int n) {
#if FB_MASKS == 512
  return (Vector)_mm512_maskz_loadu_ps((1u << n) - 1, p);
#elif FB_MASKS == 256
  return (Vector)_mm256_maskload_ps(p, (__m256i)(Indices{0, 1, 2, 3, 4, 5, 6, 7} < n));
#else
  Vector v = {};
  for (int i = 0; i < n; i++) v[i] = p[i];
  return v;
#endif
}

// copy and clear may write up to a whole vector past the end (a masked store is slow). Hiding `to` from GCC keeps it from turning these loops into calls of memcpy and memset: most runs are short.
FB_INLINE void copy(float* to, const float* from, int64_t n) {
  for (; n >= kLanes; n -= kLanes, to += kLanes, from += kLanes) {
    asm("" : "+r"(to));
    store(to, load(from));
  }
  if (n > 0) store(to, loadPart(from, n));
}

FB_INLINE void clear(float* to, int64_t n) {
  for (; n >= kLanes; n -= kLanes, to += kLanes) {
    asm("" : "+r"(to));
    store(to, Vector{});
  }
  if (n > 0) store(to, Vector{});
}

// One stage of a transpose: swaps the off-diagonal blocks of size `half` between rows i and i + half.
template <int half, int... lane>
FB_INLINE void swapBlocks(Vector& a, Vector& b, std::integer_sequence<int, lane...>) {
  const Vector first = __builtin_shufflevector(a, b, (lane & half ? kLanes + lane - half : lane)...);
  b = __builtin_shufflevector(a, b, (lane & half ? kLanes + lane : lane + half)...);
  a = first;
}

template <int half>
FB_INLINE void transpose(Vector (&rows)[kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; i++)
    if (!(i & half)) swapBlocks<half>(rows[i], rows[i + half], std::make_integer_sequence<int, kLanes>{});
  if constexpr (half > 1) transpose<half / 2>(rows);
}

// Towards the second-level cache; any address will do, mapped or not.
FB_INLINE void prefetch(const float* p, int64_t n) {
  for (int64_t i = 0; i < n; i += 16) __builtin_prefetch(p + i, 0, 2);
}
