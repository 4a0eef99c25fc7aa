/**
 * How far a float32 device may be from PyTorch in float64, relative to the largest expected magnitude of the
 * tensor. Float32 has a relative step of 6e-8; a sum of n products errs by about sqrt(n) steps, and functions
 * with a steep derivative (exp, pow, division by small numbers) multiply it.
 */
export const tolerances = {
  /** Views, comparisons, integers: nothing is rounded. */
  exact: 0,
  /** One or two roundings an element. */
  pointwise: 1e-6,
  /** Functions by approximation, steep derivatives. */
  transcendental: 5e-6,
  /** Sums of up to a few thousand products. */
  sum: 5e-6,
  /** Ten steps of training, loss: PyTorch's own float32 errs by 7e-8 on these fixtures. */
  trajectoryLoss: 2e-5,
  /** Gradients of the networks at step 0, norm over the tensor: PyTorch's float32 errs by 3e-6 at most. */
  trajectoryGradient: 2e-5,
} as const;

const exact = new Set([
  "reshape",
  "flatten",
  "permute",
  "transpose",
  "expand",
  "unsqueeze",
  "slice",
  "flip",
  "concat",
  "stack",
  "pad",
  "gather",
  "oneHot",
  "equal",
  "less",
  "lessEqual",
  "greater",
  "greaterEqual",
  "argmax",
  "floor",
  "ceil",
  "sign",
  "neg",
  "abs",
  "cast",
  "where",
  "maximum",
  "minimum",
  "relu",
  "max",
  "min",
]);
const simple = new Set(["add", "sub", "mul", "div", "square", "sqrt", "clamp", "leakyRelu", "reciprocal"]);

export function forwardTolerance(op: string): number {
  if (exact.has(op)) return 1e-7; // the fixtures print eight digits
  return simple.has(op) ? tolerances.pointwise : tolerances.transcendental;
}

/** Gradients sum over broadcasts and windows. */
export const gradientTolerance = tolerances.sum;
