import { call } from "../core/expression.js";
import type { Tensor } from "../tensor/tensor.js";
import { Optimizer, type OptimizerRecipe } from "./optimizer.js";

/** Hyperparameters of SGD. */
export interface SgdOptions {
  learningRate: number;
  /** Share of the last step that is kept; 0 if left out. */
  momentum?: number;
  /** Look ahead along the momentum (Sutskever et al., 2013). */
  nesterov?: boolean;
  /** L2 penalty, added to the gradient; 0 if left out. */
  weightDecay?: number;
}

/**
 * Stochastic gradient descent as PyTorch defines it: g = gradient + weightDecay p; v = momentum v + g;
 * p = p - learningRate (g + momentum v if nesterov, else v). With parameters an optimizer, without a recipe.
 */
export function sgd(options: SgdOptions): OptimizerRecipe;
export function sgd(parameters: readonly Tensor[], options: SgdOptions): Optimizer;
export function sgd(first: readonly Tensor[] | SgdOptions, second?: SgdOptions): Optimizer | OptimizerRecipe {
  if (!second) return (parameters) => make(parameters, first as SgdOptions);
  return make(first as readonly Tensor[], second);
}

function make(parameters: readonly Tensor[], options: SgdOptions): Optimizer {
  const { momentum = 0, nesterov = false, weightDecay = 0 } = options;
  if (!(momentum >= 0)) throw new RangeError(`momentum is ${momentum}; give a number of at least 0`);
  if (!(weightDecay >= 0)) throw new RangeError(`weightDecay is ${weightDecay}; give a number of at least 0`);
  if (nesterov && momentum === 0) throw new RangeError("nesterov needs a momentum above 0");
  return new Optimizer(
    parameters,
    options.learningRate,
    momentum > 0 ? ["momentum"] : [],
    ({ parameter, gradient, state, numbers }) => {
      const [rate, keep, decay] = numbers;
      const g = weightDecay > 0 ? call("add", gradient, call("mul", decay!, parameter)) : gradient;
      if (momentum === 0) return { parameter: call("sub", parameter, call("mul", rate!, g)), state: [] };
      const v = call("add", call("mul", keep!, state[0]!), g);
      const direction = nesterov ? call("add", g, call("mul", keep!, v)) : v;
      return { parameter: call("sub", parameter, call("mul", rate!, direction)), state: [v] };
    },
    () => [momentum, weightDecay],
  );
}
