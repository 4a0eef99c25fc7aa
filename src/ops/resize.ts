import type { Pair } from "../core/kernel.js";
import { showShape } from "../core/shape.js";
import type { GradientRule } from "../graph/autograd.js";
import { record } from "../graph/graph.js";
import { Tensor } from "../tensor/tensor.js";
import { pair, type Size2d } from "./conv.js";
import { requireFloat } from "./matmul.js";

/**
 * Bilinear resize of x [n, c, h, w] to [n, c, ...size]: half-pixel centres, edges clamped, no antialiasing (what
 * torchvision's `Resize` does when it enlarges).
 */
export function resize(x: Tensor, size: Size2d): Tensor {
  requireFloat("resize", x);
  const to: Pair = pair(size, "resize size");
  if (x.shape.length !== 4)
    throw new RangeError(`resize: needs an input [n, c, h, w], got ${showShape(x.shape)}`);
  if (to[0] === x.shape[2] && to[1] === x.shape[3]) return x;
  return new Tensor(record({ kind: "resize" }, [x.node], [x.shape[0]!, x.shape[1]!, ...to], "f32"));
}

export const resizeGradient: GradientRule = (node, upstream) => [
  record({ kind: "resizeGrad" }, [upstream], node.inputs[0]!.shape, "f32"),
];
export const resizeGradGradient: GradientRule = (node, upstream) => [
  record({ kind: "resize" }, [upstream], node.inputs[0]!.shape, "f32"),
];
