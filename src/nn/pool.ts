import type { Shape } from "../core/shape.js";
import type { IsUnknown, Show } from "../core/shape_types.js";
import {
  avgPool2d as average,
  maxPool2d as maximum,
  type Pool2dOptions,
  type PooledImage,
  windowGeometry,
  windowShape,
} from "../ops/pool.js";
import type { FirstProblem, SizeProblem, Unless } from "../ops/window_types.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module, requireRank } from "./module.js";
import type { ShapeRule } from "./shape_rule.js";

type PoolName = "MaxPool2d" | "AvgPool2d";

interface Pool2dShape<Name extends PoolName, Options> extends ShapeRule {
  readonly output: PoolOutput<this["input"], Name, Options>;
}

type PoolOutput<Input, Name extends PoolName, Options> =
  IsUnknown<Input> extends true
    ? [number, number, number]
    : Input extends readonly [
          infer Channels extends number,
          infer Height extends number,
          infer Width extends number,
        ]
      ? PooledImage<Channels, [Height, Width], Options, Name>
      : `${Name} expects [channels, height, width] but receives ${Show<Input>}`;

/** What is wrong with a window's options, in the constructor's words. */
type Pool2dProblem<Name extends PoolName, Options> = FirstProblem<
  [
    SizeProblem<Options, "kernelSize", 1, Name>,
    SizeProblem<Options, "padding", 0, Name>,
    SizeProblem<Options, "stride", 1, Name>,
  ]
>;

/** The layer that `maxPool2d` and `avgPool2d` make. */
export class Pool2d<
  Name extends PoolName = PoolName,
  Options extends Pool2dOptions = Pool2dOptions,
> extends Module {
  declare readonly "~shapes": Pool2dShape<Name, Options>;

  constructor(
    override readonly name: Name,
    readonly options: Options,
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
export function maxPool2d<const Options extends Pool2dOptions>(
  options: Unless<Pool2dProblem<"MaxPool2d", Options>, Options>,
): Pool2d<"MaxPool2d", Options> {
  return new Pool2d("MaxPool2d", options as Options, maximum);
}

/** Mean over windows; see the operation `avgPool2d`. */
export function avgPool2d<const Options extends Pool2dOptions>(
  options: Unless<Pool2dProblem<"AvgPool2d", Options>, Options>,
): Pool2d<"AvgPool2d", Options> {
  return new Pool2d("AvgPool2d", options as Options, average);
}
