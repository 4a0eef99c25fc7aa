import { convolution } from "./convolution.js";
import { gather, scatterAdd } from "./gather.js";
import type { Gemm } from "./gemm.js";
import type { Layout } from "./layout.js";
import { matmul } from "./matmul.js";
import { eachElement, withFewAxes } from "./pointwise.js";
import { gemm } from "./product.js";
import { reduce } from "./reduce.js";
import { resize, resizeGrad } from "./resize.js";
import { Frame, type Kernel, type Launch, type Shader } from "./shader.js";
import { type ChosenVariants, productVariant } from "./variants.js";
import { window, windowGrad } from "./window.js";

export interface Choices {
  readonly variants: ChosenVariants;
  readonly maxWorkgroups: number;
}

/** The shader of a launch. */
export function shaderOf({ step, splits, own }: Launch, layout: Layout, choices: Choices): Shader {
  const frame = new Frame(step.kernel.kind === "pointwise" ? withFewAxes(step) : step, layout);
  return frame.shader(own?.(frame) ?? kernelOf(frame, splits, choices), choices.maxWorkgroups);
}

function kernelOf(frame: Frame, splits: number, choices: Choices): Kernel {
  const { kernel } = frame.step;
  const tiled = (product: Gemm): Kernel =>
    gemm(product, productVariant(product, choices.variants), frame.finish(["f32"]));
  switch (kernel.kind) {
    case "pointwise":
      return eachElement(frame, []);
    case "reduce":
      return reduce(frame, kernel, splits, choices.variants.reduction);
    case "matmul":
      return tiled(matmul(frame, splits));
    case "conv2d":
    case "conv2dInputGrad":
    case "conv2dWeightGrad":
      return tiled(convolution(frame, kernel, splits));
    case "window":
      return window(frame, kernel);
    case "windowGrad":
      return windowGrad(frame, kernel);
    case "gather":
      return gather(frame);
    case "scatterAdd":
      return scatterAdd(frame);
    case "resize":
      return resize(frame);
    case "resizeGrad":
      return resizeGrad(frame);
    default:
      return kernel satisfies never;
  }
}
