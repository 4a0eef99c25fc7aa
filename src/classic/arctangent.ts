/** pi with so many binary digits behind the point. */
const digits = 128n;
const pi = 0x3243f6a8885a308d313198a2e03707344n;

/**
 * The angle of the point (x, y), not the origin, rounded correctly: what a good mathematical library returns, while
 * JavaScript's may be off by the last bit. Slow; coordinates are of at most 1 and no smaller than 2^-140.
 */
export function exactAtan2(y: number, x: number): number {
  const [up, along] = [fixed(Math.abs(y)), fixed(Math.abs(x))];
  const first =
    up <= along ? arctangent((up << digits) / along) : pi / 2n - arctangent((along << digits) / up);
  const angle = Number(x < 0 ? pi - first : first) / 2 ** Number(digits);
  return y < 0 ? -angle : angle;
}

/** Any such number in float64 is whole in units of 2^-200. */
function fixed(value: number): bigint {
  return BigInt(value * 2 ** 200);
}

/** Of q in [0, 1] by Euler's series, whose terms shrink to a half at least. */
function arctangent(q: bigint): bigint {
  const square = (q * q) >> digits;
  const ratio = (square << digits) / ((1n << digits) + square);
  let term = (q << digits) / ((1n << digits) + square);
  let sum = 0n;
  for (let n = 2n; term > 0n; n += 2n) {
    sum += term;
    term = (((term * ratio) >> digits) * n) / (n + 1n);
  }
  return sum;
}
