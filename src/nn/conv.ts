import { elementCount, type Shape } from "../core/shape.js";
import {
  type Conv2dOptions,
  conv2dShape,
  convGeometry,
  conv2d as convolve,
  pair,
  type Size2d,
} from "../ops/conv.js";
import { type Tensor, variable } from "../tensor/tensor.js";
import { defaultUniform } from "./init.js";
import { Module, requireRank, weightAndBias } from "./module.js";

/** Kernel size, and what the operation `conv2d` takes. */
export interface Conv2dLayerOptions extends Conv2dOptions {
  kernelSize: Size2d;
  /** Whether a number is added to each output channel; true if left out. */
  bias?: boolean;
}

/** The layer that `conv2d` makes: weight [out, in / groups, kh, kw] and bias [out]. */
export class Conv2d extends Module {
  override readonly name = "Conv2d";
  readonly weight: Tensor;
  readonly bias: Tensor | null;

  constructor(
    readonly inChannels: number,
    readonly outChannels: number,
    readonly options: Conv2dLayerOptions,
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
    requireRank("Conv2d", input, 3, `[${this.inChannels}, height, width]`);
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
export function conv2d(inChannels: number, outChannels: number, options: Conv2dLayerOptions): Conv2d {
  return new Conv2d(inChannels, outChannels, options);
}
