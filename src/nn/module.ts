import { elementCount, type Shape, showShape } from "../core/shape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { ShapeRule } from "./shape_rule.js";

let depth = 0;

type ForwardListener = (layer: Module, output: Tensor) => void;
let listener: ForwardListener | undefined;

/** Runs what calls `forward`, and tells of the output of every layer that it comes to, the innermost first. */
export function listenToLayers<T>(listen: ForwardListener, run: () => T): T {
  const outer = listener;
  listener = listen;
  try {
    return run();
  } finally {
    listener = outer;
  }
}

/** A layer, or a network of layers: parameters, and a forward function on tensors whose first axis is the batch. */
export abstract class Module {
  /** How it changes shapes, for the compiler; nothing is there when the program runs. */
  declare readonly "~shapes": ShapeRule;
  /** PyTorch's name of the layer, such as Conv2d. */
  abstract readonly name: string;
  /** Whether dropout and the like are on. Set by `train()` and `eval()`. */
  training = true;
  /** Whether an example's output depends on the rest of its batch while training; then no batch can be taken in parts. */
  readonly needsWholeBatch: boolean = false;

  /** Shape of one example's output for one example's input. Throws a RangeError that names both numbers. */
  abstract outputShape(input: Shape): Shape;

  /** The layer's computation; `forward` calls it. */
  protected abstract compute(x: Tensor): Tensor;

  /** The layers inside, by what precedes the names of their parameters. */
  namedChildren(): Map<string, Module> {
    return new Map();
  }

  /** Parameters by name, in PyTorch's order and names (`weight`, `bias`, `0.weight`, ...). */
  namedParameters(): Map<string, Tensor> {
    return this.ofChildren((child) => child.namedParameters());
  }

  /** What belongs to the network and is saved with it, but is not learned, such as `running_mean`. */
  namedBuffers(): Map<string, Tensor> {
    return this.ofChildren((child) => child.namedBuffers());
  }

  private ofChildren(read: (child: Module) => Map<string, Tensor>): Map<string, Tensor> {
    return new Map(
      [...this.namedChildren()].flatMap(([prefix, child]) =>
        [...read(child)].map(([name, one]) => [`${prefix}.${name}`, one] as const),
      ),
    );
  }

  /** All that is saved: parameters, then buffers. */
  namedState(): Map<string, Tensor> {
    return new Map([...this.namedParameters(), ...this.namedBuffers()]);
  }

  parameters(): Tensor[] {
    return [...this.namedParameters().values()];
  }

  parameterCount(): number {
    return this.parameters().reduce((sum, one) => sum + elementCount(one.shape), 0);
  }

  /** Multiply-adds of the forward pass of one example. */
  multiplyAdds(_input: Shape): number {
    return 0;
  }

  /** x [batch, ...] to [batch, ...]. The outermost module's output can still be read after an optimizer's step. */
  forward(x: Tensor): Tensor {
    depth++;
    try {
      const out = this.compute(x);
      if (depth === 1) {
        x.node.retained = false;
        out.node.retained = true;
      }
      listener?.(this, out);
      return out;
    } finally {
      depth--;
    }
  }

  /** Switches dropout and the like on (or off with `false`). */
  train(on = true): this {
    this.training = on;
    for (const child of this.namedChildren().values()) child.train(on);
    return this;
  }

  /** Switches to prediction: the same output every time. */
  eval(): this {
    return this.train(false);
  }

  /** Overwrites parameters and buffers by name. Throws a RangeError naming what is missing, unknown or of another shape. */
  loadParameters(values: ReadonlyMap<string, Tensor>): void {
    const own = this.namedState();
    for (const [name, parameter] of own) {
      const value = values.get(name);
      if (!value)
        throw new RangeError(
          `parameter ${name} ${showShape(parameter.shape)} is missing from what was loaded`,
        );
      if (`${value.shape}` !== `${parameter.shape}`) {
        throw new RangeError(
          `parameter ${name} is ${showShape(parameter.shape)}, what was loaded is ${showShape(value.shape)}`,
        );
      }
    }
    for (const name of values.keys())
      if (!own.has(name))
        throw new RangeError(`what was loaded has a parameter ${name} that this network has not`);
    for (const [name, parameter] of own) parameter.assign(values.get(name)!);
  }
}

/** Runs `check`; a RangeError that it throws names the place. */
export function within<T>(place: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof RangeError) throw new RangeError(`${place}: ${error.message}`);
    throw error;
  }
}

/** Checks a layer's rank. Throws a RangeError that says what it needs. */
export function requireRank(layer: string, input: Shape, rank: number, what: string): void {
  if (input.length !== rank)
    throw new RangeError(`${layer} expects ${what} but receives ${showShape(input)}`);
}

/** Checks [channels, height, width]. Throws a RangeError that names both numbers. */
export function requireChannels(layer: string, input: Shape, channels: number, what: string): void {
  requireRank(layer, input, 3, `[${channels}, height, width]`);
  if (input[0] !== channels)
    throw new RangeError(`${layer} expects ${channels} ${what} but receives ${input[0]}`);
}

/** The names of a layer with one weight and perhaps a bias. */
export function weightAndBias(weight: Tensor, bias: Tensor | null): Map<string, Tensor> {
  return bias
    ? new Map([
        ["weight", weight],
        ["bias", bias],
      ])
    : new Map([["weight", weight]]);
}
