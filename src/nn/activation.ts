import type { Shape } from "../core/shape.js";
import {
  tanh as hyperbolic,
  leakyRelu as leaky,
  sigmoid as logistic,
  relu as rectify,
} from "../ops/pointwise.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";
import type { SameShape } from "./shape_rule.js";

/** A layer that computes a function of each element. */
export class Activation extends Module {
  declare readonly "~shapes": SameShape;

  constructor(
    override readonly name: string,
    private readonly operation: (x: Tensor) => Tensor,
  ) {
    super();
  }

  override outputShape(input: Shape): Shape {
    return input;
  }

  protected override compute(x: Tensor): Tensor {
    return this.operation(x);
  }
}

/** max(x, 0). */
export function relu(): Activation {
  return new Activation("ReLU", rectify);
}

/** x where positive, else x * negativeSlope (0.01 if left out). */
export function leakyRelu(options: { negativeSlope?: number } = {}): Activation {
  return new Activation("LeakyReLU", (x) => leaky(x, options));
}

/** 1 / (1 + exp(-x)). */
export function sigmoid(): Activation {
  return new Activation("Sigmoid", logistic);
}

/** Hyperbolic tangent. */
export function tanh(): Activation {
  return new Activation("Tanh", hyperbolic);
}
