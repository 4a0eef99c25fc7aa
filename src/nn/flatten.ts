import { elementCount, type Shape } from "../core/shape.js";
import { flatten as merge } from "../ops/movement.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";

class Flatten extends Module {
  override readonly name = "Flatten";

  override outputShape(input: Shape): Shape {
    return [elementCount(input)];
  }

  protected override compute(x: Tensor): Tensor {
    return merge(x, 1);
  }
}

/** One vector an example, channels outermost. */
export function flatten(): Module {
  return new Flatten();
}
