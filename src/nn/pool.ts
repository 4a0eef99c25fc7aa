import type { Shape } from "../core/shape.js";
import {
  avgPool2d as average,
  maxPool2d as maximum,
  type Pool2dOptions,
  windowGeometry,
  windowShape,
} from "../ops/pool.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module, requireRank } from "./module.js";

class Pool2d extends Module {
  constructor(
    override readonly name: "MaxPool2d" | "AvgPool2d",
    readonly options: Pool2dOptions,
    private readonly operation: (x: Tensor, options: Pool2dOptions) => Tensor,
  ) {
    super();
    windowGeometry(options, name);
  }

  override outputShape(input: Shape): Shape {
    requireRank(this.name, input, 3, "[channels, height, width]");
    return windowShape([1, ...input], windowGeometry(this.options, this.name), this.name).slice(1);
  }

  protected override compute(x: Tensor): Tensor {
    return this.operation(x, this.options);
  }
}

/** Maximum over windows; see the operation `maxPool2d`. */
export function maxPool2d(options: Pool2dOptions): Module {
  return new Pool2d("MaxPool2d", options, maximum);
}

/** Mean over windows; see the operation `avgPool2d`. */
export function avgPool2d(options: Pool2dOptions): Module {
  return new Pool2d("AvgPool2d", options, average);
}
