import { philox4x32 } from "../core/scalar.js";
import { add, mul } from "../ops/pointwise.js";
import type { Tensor } from "../tensor/tensor.js";

/** Draws are counted from here, so that they repeat neither a layer's nor the shuffle's. */
const mixupDraws = 0xc0000000;

/**
 * The share of a step's own examples in mixup (Zhang et al., 2018): a draw of Beta(alpha, alpha) that depends on
 * seed and step alone (Jöhnk, 1964, who needs about 1.5 tries). Throws a RangeError unless alpha is above 0 and at most 1.
 */
export function mixupShare(alpha: number, seed: number, step: number): number {
  if (!(alpha > 0 && alpha <= 1))
    throw new RangeError(`mixup is ${alpha}; give an alpha above 0 and at most 1, such as 0.2`);
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0] as const;
  const unit = (word: number): number => (word + 0.5) / 2 ** 32;
  for (let attempt = 0; ; attempt++) {
    const [first, second] = philox4x32([attempt, mixupDraws + step, 0, 0], key);
    const [x, y] = [unit(first) ** (1 / alpha), unit(second) ** (1 / alpha)];
    // Of a tiny alpha both powers may vanish.
    if (x + y > 0 && x + y <= 1) return x / (x + y);
  }
}

/** share * a + (1 - share) * b. */
export function mix(a: Tensor, b: Tensor, share: number): Tensor {
  return add(mul(a, share), mul(b, 1 - share));
}
