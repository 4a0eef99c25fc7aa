import type { WindowGeometry } from "../core/kernel.js";
import { type Shape, showShape } from "../core/shape.js";
import type { Checked, IsUnknown, ShapeOf, Show, Unknown } from "../core/shape_types.js";
import type { GradientRule } from "../graph/autograd.js";
import { type Node, record } from "../graph/graph.js";
import { Tensor } from "../tensor/tensor.js";
import { outputSize, type Padding2d, paddingOf, pair, type Size2d } from "./conv.js";
import { requireFloat } from "./matmul.js";
import { mul } from "./pointwise.js";
import type { PaddingOf, PairOf, WindowShape } from "./window_types.js";

/** The window of a pooling layer. */
export interface Pool2dOptions {
  kernelSize: Size2d;
  /** The kernel's size if left out. */
  stride?: Size2d;
  padding?: Padding2d;
}

export function windowGeometry(options: Pool2dOptions, what: string): WindowGeometry {
  const kernelSize = pair(options.kernelSize, `${what} kernelSize`);
  const padding = paddingOf(options.padding ?? 0, what);
  if (
    Math.max(padding[0], padding[1]) > kernelSize[0] / 2 ||
    Math.max(padding[2], padding[3]) > kernelSize[1] / 2
  ) {
    throw new RangeError(
      `${what}: padding ${JSON.stringify(padding)} is more than half of kernelSize ${JSON.stringify(kernelSize)}`,
    );
  }
  return { kernelSize, stride: pair(options.stride ?? kernelSize, `${what} stride`), padding };
}

export function windowShape(input: Shape, g: WindowGeometry, what: string): Shape {
  const [n, c, h, w] = input as [number, number, number, number];
  if (input.length !== 4)
    throw new RangeError(`${what}: needs an input [n, c, h, w], got ${showShape(input)}`);
  const [top, bottom, left, right] = g.padding;
  return [
    n,
    c,
    outputSize(h, g.kernelSize[0], g.stride[0], top, bottom, 1, what),
    outputSize(w, g.kernelSize[1], g.stride[1], left, right, 1, what),
  ];
}

/** [channels, height, width] of an image after pooling, or a sentence. */
export type PooledImage<
  Channels extends number,
  Image extends readonly [number, number],
  Options,
  What extends string,
> = WindowShape<
  Channels,
  Image,
  PairOf<Options, "kernelSize">,
  "stride" extends keyof Options ? PairOf<Options, "stride"> : PairOf<Options, "kernelSize">,
  PaddingOf<Options>,
  [1, 1],
  What
>;

export type Pooled<X, Options, What extends string> =
  IsUnknown<X> extends true
    ? Unknown
    : X extends readonly [
          infer N extends number,
          infer C extends number,
          infer H extends number,
          infer W extends number,
        ]
      ? PooledImage<C, [H, W], Options, What> extends infer Image
        ? Image extends Shape
          ? [N, ...Image]
          : Image
        : never
      : `${What}: needs an input [n, c, h, w], got ${Show<X>}`;

/** Maximum over windows of x [n, c, h, w]; padding never wins. Throws a RangeError where no window fits. */
export function maxPool2d<X extends Shape, const Options extends Pool2dOptions>(
  x: Tensor<X>,
  options: Checked<Pooled<X, Options, "maxPool2d">, Options>,
): Tensor<ShapeOf<Pooled<X, Options, "maxPool2d">>, "f32">;
export function maxPool2d(x: Tensor, options: Pool2dOptions): Tensor {
  requireFloat("maxPool2d", x);
  const g = windowGeometry(options, "maxPool2d");
  const shape = windowShape(x.shape, g, "maxPool2d");
  return new Tensor(record({ kind: "window", op: "max", output: 0, ...g }, [x.node], shape, "f32"));
}

/** Mean over windows of x [n, c, h, w]; padding counts as 0. Throws a RangeError where no window fits. */
export function avgPool2d<X extends Shape, const Options extends Pool2dOptions>(
  x: Tensor<X>,
  options: Checked<Pooled<X, Options, "avgPool2d">, Options>,
): Tensor<ShapeOf<Pooled<X, Options, "avgPool2d">>, "f32">;
export function avgPool2d(x: Tensor, options: Pool2dOptions): Tensor {
  requireFloat("avgPool2d", x);
  const g = windowGeometry(options, "avgPool2d");
  const shape = windowShape(x.shape, g, "avgPool2d");
  const sums = new Tensor(record({ kind: "window", op: "sum", output: 0, ...g }, [x.node], shape, "f32"));
  return mul(sums, 1 / (g.kernelSize[0] * g.kernelSize[1]));
}

export const windowGradient: GradientRule = (node, upstream) => {
  if (node.operation.kind !== "window") return [];
  const { op, kernelSize, stride, padding } = node.operation;
  const [x] = node.inputs as [Node];
  const g = { kernelSize, stride, padding };
  const inputs = [upstream];
  if (op === "max") {
    const dtype = kernelSize[0] * kernelSize[1] <= 255 ? "u8" : "i32";
    inputs.push(record({ kind: "window", op, output: 1, ...g }, [x], node.shape, dtype, { tracked: false }));
  }
  return [record({ kind: "windowGrad", op, ...g }, inputs, x.shape, "f32")];
};

export const windowGradGradient: GradientRule = (node, upstream) => {
  if (node.operation.kind !== "windowGrad") return [];
  const { op, kernelSize, stride, padding } = node.operation;
  if (op === "max")
    throw new Error("maxPool2d: a second derivative is not implemented; use avgPool2d where one is needed");
  const [dy] = node.inputs as [Node];
  return [
    record(
      { kind: "window", op: "sum", output: 0, kernelSize, stride, padding },
      [upstream],
      dy.shape,
      "f32",
    ),
  ];
};
