import { call, constant } from "../core/expression.js";
import type { Tensor } from "../tensor/tensor.js";
import { Optimizer, type OptimizerRecipe } from "./optimizer.js";

/** Hyperparameters of Adam and AdamW. */
export interface AdamOptions {
  learningRate?: number;
  /** Decay of the running mean and of the running square; [0.9, 0.999] if left out. */
  betas?: readonly [number, number];
  /** Added to the root; 1e-8 if left out. */
  epsilon?: number;
  weightDecay?: number;
}

const one = constant(1, "f32");

function make(parameters: readonly Tensor[], options: AdamOptions, decoupled: boolean): Optimizer {
  const {
    learningRate = 1e-3,
    betas = [0.9, 0.999],
    epsilon = 1e-8,
    weightDecay = decoupled ? 1e-2 : 0,
  } = options;
  if (betas.some((beta) => !(beta >= 0 && beta < 1)))
    throw new RangeError(`betas are ${betas.join(", ")}; give two numbers of at least 0 and below 1`);
  if (!(weightDecay >= 0)) throw new RangeError(`weightDecay is ${weightDecay}; give a number of at least 0`);
  return new Optimizer(
    decoupled ? "adamw" : "adam",
    { betas, epsilon, weightDecay },
    parameters,
    learningRate,
    ["mean", "square"],
    {
      state: ({ parameter, gradient, state: [mean, square], numbers }) => {
        const [, beta1, beta2, , decay] = numbers;
        const g = decoupled ? gradient : call("add", gradient, call("mul", decay!, parameter));
        return [
          call("add", call("mul", beta1!, mean!), call("mul", call("sub", one, beta1!), g)),
          call("add", call("mul", beta2!, square!), call("mul", call("sub", one, beta2!), call("mul", g, g))),
        ];
      },
      parameter: ({ parameter, state: [mean, square], numbers }) => {
        const [rate, , , eps, decay, correction1, correction2] = numbers;
        const p = decoupled
          ? call("mul", parameter, call("sub", one, call("mul", rate!, decay!)))
          : parameter;
        const root = call("add", call("div", call("sqrt", square!), correction2!), eps!);
        const step = call("mul", call("div", rate!, correction1!), call("div", mean!, root));
        return call("sub", p, step);
      },
      stateReadsParameter: !decoupled,
    },
    (step) => [
      betas[0],
      betas[1],
      epsilon,
      weightDecay,
      1 - betas[0] ** step,
      Math.sqrt(1 - betas[1] ** step),
    ],
  );
}

/** Adam (Kingma and Ba, 2015) as PyTorch defines it; weight decay is added to the gradient. */
export function adam(options?: AdamOptions): OptimizerRecipe;
export function adam(parameters: readonly Tensor[], options?: AdamOptions): Optimizer;
export function adam(
  first: readonly Tensor[] | AdamOptions = {},
  second: AdamOptions = {},
): Optimizer | OptimizerRecipe {
  if (Array.isArray(first)) return make(first as readonly Tensor[], second, false);
  return (parameters) => make(parameters, first as AdamOptions, false);
}

/** AdamW (Loshchilov and Hutter, 2019): weights decay by learningRate * weightDecay, apart from the gradient. */
export function adamw(options?: AdamOptions): OptimizerRecipe;
export function adamw(parameters: readonly Tensor[], options?: AdamOptions): Optimizer;
export function adamw(
  first: readonly Tensor[] | AdamOptions = {},
  second: AdamOptions = {},
): Optimizer | OptimizerRecipe {
  if (Array.isArray(first)) return make(first as readonly Tensor[], second, true);
  return (parameters) => make(parameters, first as AdamOptions, true);
}
