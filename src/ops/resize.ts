import type { Pair } from "../core/kernel.js";
import { type Shape, showShape } from "../core/shape.js";
import type { IsUnknown, Unknown } from "../core/shape_types.js";
import type { GradientRule } from "../graph/autograd.js";
import { record } from "../graph/graph.js";
import { Tensor } from "../tensor/tensor.js";
import { pair, type Size2d } from "./conv.js";
import { requireFloat } from "./matmul.js";
import type { PairOf } from "./window_types.js";

export type Resized<X, Size> = X extends readonly [
  infer N extends number,
  infer C extends number,
  number,
  number,
]
  ? IsUnknown<X> extends true
    ? Unknown
    : [N, C, ...PairOf<{ size: Size }, "size">]
  : Unknown;

/**
 * Bilinear resize of x [n, c, h, w] to [n, c, ...size]: half-pixel centres, edges clamped, no antialiasing (what
 * torchvision's `Resize` does when it enlarges).
 */
export function resize<X extends Shape, const Size extends Size2d>(
  x: Tensor<X>,
  size: Size,
): Tensor<Resized<X, Size>, "f32">;
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
