import { elementCount, type Shape } from "../core/shape.js";
import type { ElementCount } from "../core/shape_types.js";
import { flatten as merge } from "../ops/movement.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";
import type { ShapeRule } from "./shape_rule.js";

interface FlattenShape extends ShapeRule {
  readonly output: [ElementCount<this["input"]>];
}

/** The layer that `flatten` makes. */
export class Flatten extends Module {
  declare readonly "~shapes": FlattenShape;
  override readonly name = "Flatten";

  override outputShape(input: Shape): Shape {
    return [elementCount(input)];
  }

  protected override compute(x: Tensor): Tensor {
    return merge(x, 1);
  }
}

/** One vector an example, channels outermost. */
export function flatten(): Flatten {
  return new Flatten();
}
