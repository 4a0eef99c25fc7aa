// Vectors of kWidth lanes and the functions that the scalar table's C++ texts call. Included once per
// instruction set, inside its namespace, after kWidth; no standard templates here, or the linker could keep
// another set's copy of one.

typedef float F __attribute__((vector_size(kWidth * 4), aligned(4), may_alias));
typedef int32_t I __attribute__((vector_size(kWidth * 4), aligned(4), may_alias));
typedef uint32_t U __attribute__((vector_size(kWidth * 4), aligned(4), may_alias));
typedef double D __attribute__((vector_size(kWidth * 8), aligned(8), may_alias));
typedef int64_t L __attribute__((vector_size(kWidth * 8), aligned(8), may_alias));

constexpr float kInfinity = __builtin_inff();

static inline bool any(I mask) {
#if defined(__AVX512F__)
  return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask) != 0;
#elif defined(__AVX2__)
  return !_mm256_testz_si256((__m256i)mask, (__m256i)mask);
#elif defined(__wasm_simd128__)
  return wasm_v128_any_true((v128_t)mask);
#else
  int found = 0;
  for (int i = 0; i < kWidth; i++) found |= mask[i];
  return found != 0;
#endif
}
static inline F splat(float x) { return x - (F){}; }
static inline F abs_v(F x) { return (F)((I)x & 0x7fffffff); }
static inline I sign_bit(F x) { return (I)x & INT32_MIN; }
static inline F f32_from_i32(I x) { return __builtin_convertvector(x, F); }
static inline F unit_from_u32(U x) { return __builtin_convertvector((I)(x >> 8), F) * 0x1p-24f; }
static inline F sign_v(F x) { return x > 0.0f ? splat(1) : x < 0.0f ? splat(-1) : x; }

static inline I i32_from_f32(F x) {
  I fits = (x >= -0x1p31f) & (x < 0x1p31f);
  I inside = __builtin_convertvector(fits ? x : (F){}, I);
  return fits ? inside : (I)(x > 0.0f) & INT32_MAX | (I)(x < 0.0f) & INT32_MIN;
}

static inline F rounded_down_or_up(F x, float step) {
  F t = __builtin_convertvector(__builtin_convertvector(abs_v(x) < 0x1p23f ? x : (F){}, I), F);
  I past = step < 0 ? t > x : t < x;
  t = past ? t + step : t;
  return abs_v(x) < 0x1p23f ? (F)((I)t | sign_bit(x)) : x;
}
static inline F floor_v(F x) { return rounded_down_or_up(x, -1); }
static inline F ceil_v(F x) { return rounded_down_or_up(x, 1); }

static inline F sqrt_v(F x) {
#if defined(__AVX512F__)
  return (F)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
  return (F)_mm256_sqrt_ps((__m256)x);
#elif defined(__SSE2__)
  return (F)_mm_sqrt_ps((__m128)x);
#elif defined(__wasm_simd128__)
  return (F)wasm_f32x4_sqrt((v128_t)x);
#else
  for (int i = 0; i < kWidth; i++) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

// 2^n times p, in two steps so that denormal results round once and 2^128 can be passed through.
static inline F scale(F p, I n) {
  I half = n >> 1;
  return p * (F)((half + 127) << 23) * (F)((n - half + 127) << 23);
}

// exp(c) over 2^n; the integer n lies in the low bits of `shifted`.
static inline F exp_reduced(F c, F* shifted) {
  *shifted = c * 1.44269504f + 12582912.0f;  // 1.5 * 2^23
  F n = *shifted - 12582912.0f;
  F r = c - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  F p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * (r * r) + r + 1.0f;
}

static inline F exp_v(F x) {
  F shifted;
  F p = exp_reduced(x > 89.0f ? splat(89) : x < -104.0f ? splat(-104) : x, &shifted);
  return scale(p, (I)shifted - 0x4b400000);
}

// Mantissa in [sqrt(1/2), sqrt(2)) and exponent of a positive normal number.
static inline F split(F x, I* exponent) {
  I bits = (I)x - 0x3f3504f3;
  *exponent = bits >> 23;
  return (F)((bits & 0x7fffff) + 0x3f3504f3);
}

static inline F log_v(F x) {
  I tiny = x < 0x1p-126f;
  I e;
  F m = split(tiny ? x * 0x1p23f : x, &e) - 1.0f;
  e -= tiny & 23;
  F n = f32_from_i32(e);
  F z = m * m;
  F p = m * 7.0376836292e-2f + -1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m + -1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m + -1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m + -2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  F y = p * m * z + n * -2.12194440e-4f - 0.5f * z;
  y = m + y + n * 0.693359375f;
  y = x == 0.0f ? splat(-kInfinity) : y;
  y = x < 0.0f ? splat(__builtin_nanf("")) : y;
  return (x == kInfinity) | (x != x) ? x : y;
}

// log(1 + e) for e in [0, 1]: what rounding 1 + e lost is put back.
static inline F log1p_v(F e) {
  F u = e + 1.0f;
  return log_v(u) + (e - (u - 1.0f)) / u;
}

static inline F tanh_v(F x) {
  F a = abs_v(x), z = x * x;
  F p = z * -5.70498872745e-3f + 2.06390887954e-2f;
  p = p * z + -5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z + -3.33332819422e-1f;
  F small = p * z * x + x;
  F large = 1.0f - 2.0f / (exp_v(a + a) + 1.0f);
  large = (F)((I)large | sign_bit(x));
  return a < 0.625f ? small : x != x ? x : large;
}

// 1 / (1 + exp(-x)), both sides times 2^-64: no exponent leaves the range, and a denormal result rounds once.
static inline F sigmoid_v(F x) {
  F c = x > 40.0f ? splat(-40) : x < -104.0f ? splat(104) : -x;
  F shifted, p = exp_reduced(c, &shifted);
  F e = p * (F)(((I)shifted << 23) + (63 << 23));
  return 0x1p-64f / (e + 0x1p-64f);
}

static inline F softplus_v(F x) { return (x > 0.0f ? x : (x != x ? x : (F){})) + log1p_v(exp_v(-abs_v(x))); }

// In double precision: a float logarithm times a large exponent would lose the result's low digits.
static inline F pow_v(F a, F b) {
  if (!any(b != 2.0f)) return a * a;  // by far the commonest, and exact
  F x = abs_v(a);
  I tiny = x < 0x1p-126f;
  I e;
  D m = __builtin_convertvector(split(tiny ? x * 0x1p23f : x, &e), D);
  e -= tiny & 23;
  D t = (m - 1.0) / (m + 1.0), z = t * t;
  D s = z * (1.0 / 15) + 1.0 / 13;
  s = s * z + 1.0 / 11;
  s = s * z + 1.0 / 9;
  s = s * z + 1.0 / 7;
  s = s * z + 1.0 / 5;
  s = s * z + 1.0 / 3;
  D log2 = (s * z + 1.0) * t * 2.8853900817779268 + __builtin_convertvector(e, D);
  F special = x == 0.0f ? splat(-kInfinity) : x;
  I plain = (x > 0.0f) & (x < kInfinity);
  L wide = __builtin_convertvector(plain, L);
  log2 = wide ? log2 : __builtin_convertvector(special, D);
  D y = __builtin_convertvector(b, D) * log2;
  y = y > 300.0 ? (D){} + 300.0 : y < -300.0 ? (D){} - 300.0 : y;
  D shifted = y + 0x1.8p52;
  D r = (y - (shifted - 0x1.8p52)) * 0.6931471805599453;
  D p = r * (1.0 / 39916800) + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  F result = __builtin_convertvector(p * (D)(((L)shifted + 1023) << 52), F);
  I whole = floor_v(b) == b;
  I odd = whole & (abs_v(b) < 0x1p24f) & -(i32_from_f32(b) & 1);
  result = (F)((I)result | (odd & sign_bit(a)));
  result = (a < 0.0f) & (x < kInfinity) & ~whole ? splat(__builtin_nanf("")) : result;
  F narrow = __builtin_convertvector(y, F);
  result = narrow != narrow ? narrow : result;
  return b == 0.0f ? splat(1) : result;
}

// The angle less quarter turns, in double so that what is left near a zero keeps its digits.
static inline F quarter_turns(F x, I* quarter) {
  D wide = __builtin_convertvector(x, D);
  D shifted = wide * 0.6366197723675814 + 0x1.8p52;
  D n = shifted - 0x1.8p52;
  D r = wide - n * 1.5707963267341256;
  r = r - n * 6.077100506506192e-11;
  *quarter = __builtin_convertvector((L)shifted, I);
  return __builtin_convertvector(r, F);
}

static inline F sine_of(F x, int turn) {
  I quarter;
  F r = quarter_turns(x, &quarter);
  quarter += turn;
  F z = r * r;
  F s = z * -1.9515295891e-4f + 8.3321608736e-3f;
  s = (s * z + -1.6666654611e-1f) * z * r + r;
  F c = z * 2.443315711809948e-5f + -1.388731625493765e-3f;
  c = (c * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.0f;
  F y = (quarter & 1) != 0 ? c : s;
  y = (F)((I)y ^ ((quarter & 2) << 30));
  I huge = ~(abs_v(x) < 0x1p26f);
  for (int i = 0; any(huge) && i < kWidth; i++)
    if (huge[i]) y[i] = turn ? __builtin_cos((double)x[i]) : __builtin_sin((double)x[i]);
  return y;
}
static inline F sin_v(F x) {
  F y = sine_of(x, 0);
  return x == 0.0f ? x : y;
}
static inline F cos_v(F x) { return sine_of(x, 1); }

// High and low words of a 32 x 32 bit product, even lanes and odd lanes apart.
static inline void multiply_wide(U a, uint32_t b, U* high, U* low) {
#if defined(__AVX512F__)
  __m512i v = (__m512i)a, k = _mm512_set1_epi32((int)b);
  __m512i even = _mm512_mul_epu32(v, k), odd = _mm512_mul_epu32(_mm512_srli_epi64(v, 32), k);
  *high = (U)_mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xaaaa, odd);
  *low = (U)_mm512_mask_mov_epi32(even, 0xaaaa, _mm512_slli_epi64(odd, 32));  // cheaper than a third product
#elif defined(__AVX2__)
  __m256i v = (__m256i)a, k = _mm256_set1_epi32((int)b);
  __m256i even = _mm256_mul_epu32(v, k), odd = _mm256_mul_epu32(_mm256_srli_epi64(v, 32), k);
  *high = (U)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
  *low = (U)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
#else
  for (int i = 0; i < kWidth; i++) (*high)[i] = (uint32_t)(((uint64_t)a[i] * b) >> 32);
  *low = a * b;
#endif
}

static inline U philox_v(U index, U draw, U key0, U key1) {
  U c0 = index, c1 = draw, c2 = {}, c3 = {};
  for (int round = 0; round < 10; round++) {
    U high0 = {}, low0, high1 = {}, low1;
    multiply_wide(c0, 0xd2511f53u, &high0, &low0);
    multiply_wide(c2, 0xcd9e8d57u, &high1, &low1);
    c0 = high1 ^ c1 ^ key0;
    c1 = low1;
    c2 = high0 ^ c3 ^ key1;
    c3 = low0;
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  return c0;
}
