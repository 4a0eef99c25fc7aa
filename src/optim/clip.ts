import { zeros } from "../ops/creation.js";
import { add, div, minimum, mul, sqrt, square } from "../ops/pointwise.js";
import { sum } from "../ops/reduce.js";
import { addGradientRoot } from "../tensor/evaluate.js";
import type { Tensor } from "../tensor/tensor.js";

/**
 * Scales all gradients together by min(1, maxNorm / (norm + 1e-6)), norm being the L2 norm of all of them as one
 * vector: PyTorch's `clip_grad_norm_` (after Pascanu, Mikolov and Bengio, 2013). Call it between `backward()` and
 * `optimizer.step()`.
 *
 * Recorded only: the norm is summed and used on the device, in the plan of the step. Gradients then lie in memory,
 * since the first of them is needed when the last is known; without it they exist in epilogues only.
 *
 * Returns the norm before scaling, f32 []; read it before the step, or not at all. A norm that is no number makes
 * every gradient none. Throws a RangeError unless maxNorm is above 0.
 */
export function clipGradNorm(parameters: readonly Tensor[], maxNorm: number): Tensor {
  if (!(maxNorm > 0)) throw new RangeError(`clipGradNorm: maxNorm is ${maxNorm}; give a number above 0`);
  // Each once: a shared weight has one gradient.
  const clipped = [...new Set(parameters)].filter(({ grad }) => grad);
  // Cut off from the graph, so that whoever keeps the norm does not keep the step.
  const squares = clipped.map(({ grad }) => sum(square(grad!.detach())));
  const norm = sqrt(squares.reduce(add, zeros([])));
  const scale = minimum(div(maxNorm, add(norm, 1e-6)), 1);
  for (const parameter of clipped) {
    parameter.grad = mul(parameter.grad!, scale);
    addGradientRoot(parameter.grad.node, parameter);
  }
  return norm;
}
