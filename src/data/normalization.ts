import { mul, sub } from "../ops/pointwise.js";
import type { Tensor } from "../tensor/tensor.js";

/** What is taken from every pixel, in [0, 1], and what the rest is divided by: torchvision's `Normalize`. */
export interface Normalization {
  readonly mean: number;
  readonly std: number;
}

/** Throws a RangeError unless the mean is a finite number and the deviation a finite one above 0. */
export function requireNormalization({ mean, std }: Normalization): void {
  if (!Number.isFinite(mean)) throw new RangeError(`normalization: mean is ${mean}; give a finite number`);
  if (!(std > 0) || !Number.isFinite(std))
    throw new RangeError(`normalization: std is ${std}; give a finite number above 0`);
}

/** Bytes as f32, 0 to 255, to [0, 1], and normalized unless that is null: one multiplication and a subtraction at most. */
export function scalePixels(bytes: Tensor, normalization: Normalization | null): Tensor {
  if (!normalization) return mul(bytes, 1 / 255);
  const { mean, std } = normalization;
  return sub(mul(bytes, 1 / (255 * std)), mean / std);
}

/** Pixels in [0, 1], normalized unless that is null. */
export function normalize(pixels: Tensor, normalization: Normalization | null): Tensor {
  if (!normalization) return pixels;
  const { mean, std } = normalization;
  return sub(mul(pixels, 1 / std), mean / std);
}
