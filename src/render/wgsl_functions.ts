/**
 * WGSL that the scalar table's texts call. WGSL lets a compiler assume that NaN and infinities do not occur and bounds
 * sin and exp loosely, so NaN is told by bits, infinities come from memory, and the delicate functions are the
 * polynomials of the CPU device (Cephes; Moshier; Payne and Hanek's
 * reduction of large angles), written with fma where their sums must be as they
 * stand, which no compiler takes apart.
 */
const source = `
var<private> infinity_bits: u32 = 0x7f800000u;
var<private> nan_bits: u32 = 0x7fc00000u;
fn infinity() -> f32 { return bitcast<f32>(infinity_bits); }
fn nan() -> f32 { return bitcast<f32>(nan_bits); }
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn max_f32(a: f32, b: f32) -> f32 { return select(select(select(b, a, a >= b), b, is_nan(b)), a, is_nan(a)); }
fn min_f32(a: f32, b: f32) -> f32 { return select(select(select(b, a, a <= b), b, is_nan(b)), a, is_nan(a)); }
fn max_i32(a: i32, b: i32) -> i32 { return max(a, b); }
fn min_i32(a: i32, b: i32) -> i32 { return min(a, b); }
fn max_u32(a: u32, b: u32) -> u32 { return max(a, b); }
fn min_u32(a: u32, b: u32) -> u32 { return min(a, b); }
fn neg_f32(a: f32) -> f32 { return -a; }
fn neg_i32(a: i32) -> i32 { return -a; }
fn neg_u32(a: u32) -> u32 { return ~a + 1u; }
fn ne_f32(a: f32, b: f32) -> bool { return a != b || is_nan(a) || is_nan(b); }
fn ne_i32(a: i32, b: i32) -> bool { return a != b; }
fn ne_u32(a: u32, b: u32) -> bool { return a != b; }
fn sign_of(x: f32) -> f32 { return select(select(x, -1f, x < 0f), 1f, x > 0f); }
fn relu_of(x: f32) -> f32 { return select(0f, x, x > 0f || is_nan(x)); }
fn i32_from_f32(x: f32) -> i32 {
  if (is_nan(x)) { return 0i; }
  if (x >= 2147483648f) { return 2147483647i; }
  if (x < -2147483648f) { return -2147483647i - 1i; }
  return i32(x);
}
fn exp_part(r: f32) -> f32 {
  var p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * (r * r) + r + 1f;
}
fn exp_of(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (x > 88.8f) { return infinity(); }
  if (x < -104f) { return 0f; }
  let n = round(x * 1.44269504f);
  let p = exp_part(fma(n, 2.12194440e-4f, fma(n, -0.693359375f, x)));
  let half = i32(n) >> 1u;
  return p * bitcast<f32>((half + 127i) << 23u) * bitcast<f32>((i32(n) - half + 127i) << 23u);
}
fn log_of(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if (is_nan(x) || bits == 0x7f800000u) { return x; }
  if ((bits & 0x7fffffffu) == 0u) { return -infinity(); }
  if (bits > 0x7fffffffu) { return nan(); }
  let tiny = bits < 0x00800000u;
  let shifted = bitcast<i32>(select(x, x * 8388608f, tiny)) - 0x3f3504f3i;
  let n = f32((shifted >> 23u) - select(0i, 23i, tiny));
  let m = bitcast<f32>((shifted & 0x7fffffi) + 0x3f3504f3i) - 1f;
  let z = m * m;
  var p = fma(m, 7.0376836292e-2f, -1.1514610310e-1f);
  p = fma(p, m, 1.1676998740e-1f);
  p = fma(p, m, -1.2420140846e-1f);
  p = fma(p, m, 1.4249322787e-1f);
  p = fma(p, m, -1.6668057665e-1f);
  p = fma(p, m, 2.0000714765e-1f);
  p = fma(p, m, -2.4999993993e-1f);
  p = fma(p, m, 3.3333331174e-1f);
  let y = fma(-0.5f, z, fma(n, -2.12194440e-4f, p * m * z));
  return fma(n, 0.693359375f, m + y);
}
fn log1p_unit(e: f32) -> f32 {
  let s = e / (2f + e);
  let z = s * s;
  var p = fma(z, 1f / 15f, 1f / 13f);
  p = fma(p, z, 1f / 11f);
  p = fma(p, z, 1f / 9f);
  p = fma(p, z, 1f / 7f);
  p = fma(p, z, 1f / 5f);
  p = fma(p, z, 1f / 3f);
  return 2f * fma(p * z, s, s);
}
fn tanh_of(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let a = abs(x);
  if (a >= 0.625f) {
    let large = 1f - 2f / (exp_of(min(a + a, 80f)) + 1f);
    return select(large, -large, x < 0f);
  }
  let z = x * x;
  var p = fma(z, -5.70498872745e-3f, 2.06390887954e-2f);
  p = fma(p, z, -5.37397155531e-2f);
  p = fma(p, z, 1.33314422036e-1f);
  p = fma(p, z, -3.33332819422e-1f);
  return fma(p * z, x, x);
}
fn sigmoid_of(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (x < -88f) { return exp_of(x); }
  return 1f / (1f + exp_of(min(-x, 88f)));
}
fn softplus_of(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  return max(x, 0f) + log1p_unit(exp_of(-abs(x)));
}
fn pow_of(a: f32, b: f32) -> f32 {
  if (b == 0f) { return 1f; }
  if (is_nan(a) || is_nan(b)) { return nan(); }
  if (b == 1f) { return a; }
  if (b == 2f) { return a * a; }
  let y = b * log_of(abs(a));
  if (is_nan(y)) { return y; }
  let result = exp_of(y);
  let whole = floor(b) == b;
  let odd = whole && abs(b) < 16777216f && (i32(b) & 1i) == 1i;
  if (bitcast<u32>(a) < 0x80000000u) { return result; }
  if (!whole && a < 0f && bitcast<u32>(a) != 0xff800000u) { return nan(); }
  return select(result, -result, odd);
}
const half_over_pi = array<u32, 7>(0x28be60dbu, 0x9391054au, 0x7f09d5f4u, 0x7d4d3770u, 0x36d8a566u, 0x4f10e410u, 0x7f9458eau);
fn quarter_turns_of_large(x: f32) -> vec2<f32> {
  let bits = bitcast<u32>(x);
  let m = (bits << 8u) | 0x80000000u;
  let e = ((bits >> 23u) & 255u) - 126u;
  let i = min(e >> 5u, 4u);
  let shift = e & 31u;
  var words = half_over_pi;
  var high = select(0u, words[max(i, 1u) - 1u], i > 0u);
  var middle = words[i];
  var low = words[i + 1u];
  if (shift > 0u) {
    high = (high << shift) | (middle >> (32u - shift));
    middle = (middle << shift) | (low >> (32u - shift));
    low = (low << shift) | (words[i + 2u] >> (32u - shift));
  }
  let carry = multiply_high(m, low);
  var p_low = m * middle + carry;
  var p_high = m * high + multiply_high(m, middle) + select(0u, 1u, p_low < carry);
  var n = f32(p_high >> 30u);
  p_high = p_high & 0x3fffffffu;
  let past = p_high >= 0x20000000u;
  if (past) {
    n += 1f;
    p_high = 0x40000000u - p_high - select(0u, 1u, p_low > 0u);
    p_low = ~p_low + 1u;
  }
  let r = fma(f32(p_high), 9.313225746154785e-10f, f32(p_low) * 2.168404344971009e-19f) * 1.5707963267948966f;
  return vec2<f32>(n, select(r, -r, past));
}
fn quarter_turns(x: f32) -> vec2<f32> {
  if (abs(x) >= 32768f) { return quarter_turns_of_large(abs(x)) * select(1f, -1f, x < 0f); }
  let n = round(x * 0.6366197723675814f);
  return vec2<f32>(n, fma(n, -7.549789948768648e-8f, fma(n, -4.837512969970703e-4f, fma(n, -1.5703125f, x))));
}
fn sine_of(x: f32, turn: i32) -> f32 {
  if ((bitcast<u32>(x) & 0x7fffffffu) >= 0x7f800000u) { return nan(); }
  let turns = quarter_turns(x);
  let r = turns.y;
  let quarter = i32(turns.x) + turn;
  let z = r * r;
  let s = fma(fma(fma(z, -1.9515295891e-4f, 8.3321608736e-3f), z, -1.6666654611e-1f) * z, r, r);
  var c = fma(z, 2.443315711809948e-5f, -1.388731625493765e-3f);
  c = fma(c, z, 4.166664568298827e-2f);
  c = fma(c * z, z, fma(-0.5f, z, 1f));
  let y = select(s, c, (quarter & 1i) != 0i);
  return select(y, -y, (quarter & 2i) != 0i);
}
fn sin_of(x: f32) -> f32 { return select(sine_of(x, 0i), x, x == 0f); }
fn cos_of(x: f32) -> f32 { return sine_of(x, 1i); }
fn multiply_high(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let first = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let second = (a & 0xffffu) * (b >> 16u) + (first & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (first >> 16u) + (second >> 16u);
}
fn philox(index: u32, draw: u32, low: u32, high: u32) -> u32 {
  var c = vec4<u32>(index, draw, 0u, 0u);
  var k = vec2<u32>(low, high);
  for (var i = 0u; i < 10u; i++) {
    let h0 = multiply_high(0xd2511f53u, c.x);
    let h1 = multiply_high(0xcd9e8d57u, c.z);
    c = vec4<u32>(h1 ^ c.y ^ k.x, 0xcd9e8d57u * c.z, h0 ^ c.w ^ k.y, 0xd2511f53u * c.x);
    k += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
  }
  return c.x;
}
`;

const declaration = /^(?:fn|const|var<private>) (\w+)/;

/** Declarations by name: each begins at a line's start. */
const functions = new Map(
  source
    .trim()
    .split(/\n(?=fn |const |var)/)
    .map((text) => [declaration.exec(text)![1]!, text] as const),
);

/** The declarations that `code` calls, directly or through others, in the order above. */
export function functionsFor(code: string): string {
  const found = new Set<string>();
  const visit = (text: string): void => {
    for (const [name] of text.matchAll(/\b[a-z]\w*/g)) {
      const body = functions.get(name);
      if (body === undefined || found.has(name)) continue;
      found.add(name);
      visit(body);
    }
  };
  visit(code);
  return [...functions].flatMap(([name, text]) => (found.has(name) ? [`${text}\n`] : [])).join("");
}
