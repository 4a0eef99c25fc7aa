import type { Shape } from "../core/shape.js";
import { dropout as drop } from "../ops/random.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";
import type { SameShape } from "./shape_rule.js";

/** The layer that `dropout` makes. */
export class Dropout extends Module {
  declare readonly "~shapes": SameShape;
  override readonly name = "Dropout";

  constructor(readonly p: number) {
    super();
    if (!(p >= 0 && p < 1))
      throw new RangeError(`Dropout: p is ${p}; give a probability of at least 0 and below 1`);
  }

  override outputShape(input: Shape): Shape {
    return input;
  }

  protected override compute(x: Tensor): Tensor {
    return this.training ? drop(x, this.p) : x;
  }
}

/** Zeroes each element with probability p while training and scales the rest by 1 / (1 - p). */
export function dropout(options: { p?: number } = {}): Dropout {
  return new Dropout(options.p ?? 0.5);
}
