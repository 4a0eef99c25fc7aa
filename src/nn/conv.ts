import type { Divide } from "../core/arithmetic.js";
import { elementCount, type Shape } from "../core/shape.js";
import type { MayBeSame } from "../core/shape_types.js";
import {
  type Conv2dOptions,
  conv2dShape,
  convGeometry,
  conv2d as convolve,
  pair,
  type Size2d,
} from "../ops/conv.js";
import type {
  FirstProblem,
  PaddingOf,
  PairOf,
  SizeProblem,
  Unless,
  WindowShape,
} from "../ops/window_types.js";
import { type Tensor, variable } from "../tensor/tensor.js";
import { defaultUniform } from "./init.js";
import { Module, requireChannels, weightAndBias } from "./module.js";
import type { Image, ShapeRule } from "./shape_rule.js";

/** Kernel size, and what the operation `conv2d` takes. */
export interface Conv2dLayerOptions extends Conv2dOptions {
  kernelSize: Size2d;
  /** Whether a number is added to each output channel; true if left out. */
  bias?: boolean;
}

interface Conv2dShape<In extends number, Out extends number, Options> extends ShapeRule {
  readonly output: Image<this["input"], "Conv2d", In, "input channels"> extends infer Found
    ? Found extends readonly [number, infer Height extends number, infer Width extends number]
      ? WindowShape<
          Out,
          [Height, Width],
          PairOf<Options, "kernelSize">,
          PairOf<Options, "stride", 1>,
          PaddingOf<Options>,
          PairOf<Options, "dilation", 1>,
          "Conv2d"
        >
      : Found
    : never;
}

/** What is wrong with a convolution's options, in the constructor's words and order. */
type Conv2dProblem<In extends number, Out extends number, Options> = FirstProblem<
  [
    SizeProblem<Options, "stride", 1, "Conv2d">,
    SizeProblem<Options, "padding", 0, "Conv2d">,
    SizeProblem<Options, "dilation", 1, "Conv2d">,
    Options extends { readonly groups: infer Groups extends number }
      ? MayBeSame<[Divide<In, Groups>[1], Divide<Out, Groups>[1]], [0, 0]> extends true
        ? never
        : `Conv2d: ${In} input and ${Out} output channels must both divide by groups ${Groups}`
      : never,
    SizeProblem<Options, "kernelSize", 1, "Conv2d">,
  ]
>;

/** The layer that `conv2d` makes: weight [out, in / groups, kh, kw] and bias [out]. */
export class Conv2d<
  In extends number = number,
  Out extends number = number,
  Options extends Conv2dLayerOptions = Conv2dLayerOptions,
> extends Module {
  declare readonly "~shapes": Conv2dShape<In, Out, Options>;
  override readonly name = "Conv2d";
  readonly weight: Tensor;
  readonly bias: Tensor | null;

  constructor(
    readonly inChannels: In,
    readonly outChannels: Out,
    readonly options: Options,
  ) {
    super();
    const { groups } = convGeometry(options, "Conv2d");
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new RangeError(
        `Conv2d: ${inChannels} input and ${outChannels} output channels must both divide by groups ${groups}`,
      );
    }
    const shape = [outChannels, inChannels / groups, ...pair(options.kernelSize, "Conv2d kernelSize")];
    const fanIn = elementCount(shape.slice(1));
    this.weight = variable(defaultUniform(shape, fanIn), { requiresGrad: true });
    this.bias =
      options.bias === false ? null : variable(defaultUniform([outChannels], fanIn), { requiresGrad: true });
  }

  override namedParameters(): Map<string, Tensor> {
    return weightAndBias(this.weight, this.bias);
  }

  override outputShape(input: Shape): Shape {
    requireChannels("Conv2d", input, this.inChannels, "input channels");
    return conv2dShape([1, ...input], this.weight.shape, convGeometry(this.options), "Conv2d").slice(1);
  }

  override multiplyAdds(input: Shape): number {
    return elementCount(this.outputShape(input)) * elementCount(this.weight.shape.slice(1));
  }

  protected override compute(x: Tensor): Tensor {
    return convolve(x, this.weight, this.bias, this.options);
  }
}

/** Convolution over [inChannels, h, w] with outChannels kernels; see the operation `conv2d`. Starts as PyTorch's does. */
export function conv2d<In extends number, Out extends number, const Options extends Conv2dLayerOptions>(
  inChannels: In,
  outChannels: Out,
  options: Unless<Conv2dProblem<In, Out, Options>, Options>,
): Conv2d<In, Out, Options> {
  return new Conv2d(inChannels, outChannels, options as Options);
}
