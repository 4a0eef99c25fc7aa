import { call, constant, type Expr } from "../core/expression.js";
import { pointwise, type TensorLike } from "../ops/pointwise.js";
import { evaluateNodes } from "../tensor/evaluate.js";
import type { Tensor } from "../tensor/tensor.js";
import { layOut, zeroState } from "./flat.js";

/** Makes an optimizer once the parameters are known: what `train()` takes. */
export type OptimizerRecipe = (parameters: readonly Tensor[]) => Optimizer;

/** New values of one parameter and its state, as expressions over current ones and hyperparameters. */
export type Update = (inputs: {
  parameter: Expr;
  gradient: Expr;
  state: readonly Expr[];
  numbers: readonly Expr[];
}) => {
  parameter: Expr;
  state: readonly Expr[];
};

/** Changes parameters by their gradients. State starts at zero; parameters and state lie in flat buffers. */
export class Optimizer {
  /** Steps taken. */
  steps = 0;
  private readonly states: readonly (readonly Tensor[])[];

  /** Each once, however often it was given: a shared weight moves once a step. */
  readonly parameters: readonly Tensor[];

  constructor(
    parameters: readonly Tensor[],
    /** May be changed between steps; compiles nothing. */
    public learningRate: number,
    stateNames: readonly string[],
    private readonly update: Update,
    /** Numbers of a step beside the learning rate, which is number 0. */
    private readonly numbers: (step: number) => readonly number[],
  ) {
    if (parameters.length === 0)
      throw new RangeError("an optimizer needs at least one parameter; this network has none");
    if (!(learningRate > 0) || !Number.isFinite(learningRate)) {
      throw new RangeError(`learningRate is ${learningRate}; give a finite number above 0`);
    }
    this.parameters = [...new Set(parameters)];
    layOut(this.parameters);
    this.states = zeroState(this.parameters, stateNames.length);
    // First values now, or the first step would have to keep every gradient until they are there.
    void evaluateNodes([]);
  }

  /**
   * Updates every parameter that has a gradient and uses the gradients up. Parameters stay as they are where
   * `onlyIf` (i32, one element) is 0. The promise resolves when the step has run.
   */
  step(options: { onlyIf?: Tensor } = {}): Promise<void> {
    this.steps++;
    const numbers = [this.learningRate, ...this.numbers(this.steps)];
    this.parameters.forEach((parameter, k) => {
      const { grad } = parameter;
      if (!grad) return;
      const state = this.states[k]!;
      const written = [parameter, ...state];
      const operands: TensorLike[] = [grad, ...written, ...numbers];
      if (options.onlyIf) operands.push(options.onlyIf);
      const next = written.map((_, which) =>
        pointwise(
          "optimizer step",
          operands,
          (...args) => {
            const [gradient, current, ...rest] = args as [Expr, Expr, ...Expr[]];
            const inputs = {
              gradient,
              parameter: current,
              state: rest.slice(0, state.length),
              numbers: rest.slice(state.length, state.length + numbers.length),
            };
            const updated = this.update(inputs);
            const value = which === 0 ? updated.parameter : updated.state[which - 1]!;
            const flag = args[operands.length - 1]!;
            return options.onlyIf
              ? call("select", call("ne", flag, constant(0, "i32")), value, args[1 + which]!)
              : value;
          },
          true,
        ),
      );
      written.forEach((old, which) => {
        old.assign(next[which]!);
      });
    });
    this.zeroGrad();
    return evaluateNodes([]);
  }

  /** Forgets gradients that no step has used. */
  zeroGrad(): void {
    for (const parameter of this.parameters) parameter.grad = null;
  }
}
