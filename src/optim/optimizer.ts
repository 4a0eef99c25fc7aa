import { call, constant, type Expr } from "../core/expression.js";
import { atOneSite } from "../graph/graph.js";
import { pointwise, type TensorLike } from "../ops/pointwise.js";
import { evaluateNodes } from "../tensor/evaluate.js";
import type { Tensor } from "../tensor/tensor.js";
import { layOut, zeroState } from "./flat.js";

/** Makes an optimizer once the parameters are known: what `train()` takes. */
export type OptimizerRecipe = (parameters: readonly Tensor[]) => Optimizer;

/** What an update reads of one parameter: its values, its gradient, its state, and numbers of the step. */
export interface UpdateInputs {
  readonly parameter: Expr;
  readonly gradient: Expr;
  readonly state: readonly Expr[];
  readonly numbers: readonly Expr[];
}

/** One parameter's step. */
export interface Update {
  /** The new state, from the current one. */
  state(inputs: UpdateInputs): readonly Expr[];
  /** The new parameter; `state` is the new one. */
  parameter(inputs: UpdateInputs): Expr;
  /**
   * Whether `state` reads the parameter. The parameter is then made from the new state's value, not from its
   * expression over the current one: of two that read what the other writes, neither can ride on the gradient.
   */
  readonly stateReadsParameter: boolean;
}

/** Numbers and switches by name, such as `momentum`. */
export type Hyperparameters = Readonly<Record<string, number | boolean | readonly number[]>>;

/** Changes parameters by their gradients. State starts at zero; parameters and state lie in flat buffers. */
export class Optimizer {
  /** Steps taken. */
  steps = 0;
  private readonly states: readonly (readonly Tensor[])[];

  /** Each once, however often it was given: a shared weight moves once a step. */
  readonly parameters: readonly Tensor[];

  constructor(
    /** By which it is told from others, with `hyperparameters`. */
    readonly name: string,
    /** All that decides its steps beside the learning rate. */
    readonly hyperparameters: Hyperparameters,
    parameters: readonly Tensor[],
    /** May be changed between steps; compiles nothing. */
    public learningRate: number,
    private readonly stateNames: readonly string[],
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
    atOneSite(() => this.record(options.onlyIf));
    this.zeroGrad();
    return evaluateNodes([]);
  }

  /** Records the assignments of one step. */
  private record(onlyIf: Tensor | undefined): void {
    const numbers = [this.learningRate, ...this.numbers(this.steps)];
    const { update } = this;
    this.parameters.forEach((parameter, k) => {
      const { grad: gradient } = parameter;
      if (!gradient) return;
      const state = this.states[k]!;
      const current = { parameter, gradient, state, numbers };
      const nextState = state.map((old, which) =>
        updated(old, current, onlyIf, (inputs) => update.state(inputs)[which]!),
      );
      const next = update.stateReadsParameter
        ? updated(parameter, { ...current, state: nextState }, onlyIf, (inputs) => update.parameter(inputs))
        : updated(parameter, current, onlyIf, (inputs) =>
            update.parameter({ ...inputs, state: update.state(inputs) }),
          );
      parameter.assign(next);
      state.forEach((old, which) => {
        old.assign(nextState[which]!);
      });
    });
  }

  /** State by parameter number and name (`0.momentum`): with `steps`, all that a checkpoint has to keep. */
  namedState(): Map<string, Tensor> {
    return new Map(
      this.states.flatMap((state, k) => state.map((one, which) => [`${k}.${this.stateNames[which]}`, one])),
    );
  }

  /** Forgets gradients that no step has used. */
  zeroGrad(): void {
    for (const parameter of this.parameters) parameter.grad = null;
  }
}

/** Records what `value` makes of the tensors and numbers; `old` where `onlyIf` (if there is one) is 0. */
function updated(
  old: Tensor,
  from: { parameter: Tensor; gradient: Tensor; state: readonly Tensor[]; numbers: readonly number[] },
  onlyIf: Tensor | undefined,
  value: (inputs: UpdateInputs) => Expr,
): Tensor {
  const { parameter, gradient, state, numbers } = from;
  const operands: TensorLike[] = [parameter, gradient, ...state, ...numbers];
  if (onlyIf) operands.push(old, onlyIf);
  return pointwise(
    "optimizer step",
    operands,
    (...args) => {
      const [parameter, gradient, ...rest] = args as [Expr, Expr, ...Expr[]];
      const next = value({
        parameter,
        gradient,
        state: rest.splice(0, state.length),
        numbers: rest.splice(0, numbers.length),
      });
      const [before, flag] = rest;
      return before && flag ? call("select", call("ne", flag, constant(0, "i32")), next, before) : next;
    },
    true,
  );
}
