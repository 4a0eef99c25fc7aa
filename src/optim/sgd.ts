import { call, type Expr } from "../core/expression.js";
import type { Tensor } from "../tensor/tensor.js";
import { Optimizer, type OptimizerRecipe, type UpdateInputs } from "./optimizer.js";

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
  const options = second ?? (first as SgdOptions);
  // At once, not when the network is there: by then a run may have begun.
  check(options);
  if (!second) return (parameters) => make(parameters, options);
  return make(first as readonly Tensor[], options);
}

function check({ momentum = 0, nesterov = false, weightDecay = 0 }: SgdOptions): void {
  if (!(momentum >= 0)) throw new RangeError(`momentum is ${momentum}; give a number of at least 0`);
  if (!(weightDecay >= 0)) throw new RangeError(`weightDecay is ${weightDecay}; give a number of at least 0`);
  if (nesterov && momentum === 0)
    throw new RangeError("nesterov needs a momentum above 0, and it is 0; raise it or leave nesterov out");
}

function make(parameters: readonly Tensor[], options: SgdOptions): Optimizer {
  const { momentum = 0, nesterov = false, weightDecay = 0 } = options;
  const decayed = ({ parameter, gradient, numbers: [, , decay] }: UpdateInputs): Expr =>
    weightDecay > 0 ? call("add", gradient, call("mul", decay!, parameter)) : gradient;
  return new Optimizer(
    "sgd",
    { momentum, nesterov, weightDecay },
    parameters,
    options.learningRate,
    momentum > 0 ? ["momentum"] : [],
    {
      state: (inputs) => {
        const [, keep] = inputs.numbers;
        return inputs.state.map((v) => call("add", call("mul", keep!, v), decayed(inputs)));
      },
      parameter: (inputs) => {
        const { parameter, state, numbers } = inputs;
        const [rate, keep] = numbers;
        const v = state[0] ?? decayed(inputs);
        const direction = nesterov ? call("add", decayed(inputs), call("mul", keep!, v)) : v;
        return call("sub", parameter, call("mul", rate!, direction));
      },
      stateReadsParameter: weightDecay > 0,
    },
    () => [momentum, weightDecay],
  );
}
