import type { Multiply } from "../core/arithmetic.js";
import type { ConvGeometry, Padding, Pair } from "../core/kernel.js";
import { type Shape, showShape } from "../core/shape.js";
import type { Checked, IsUnknown, MayEqual, ShapeOf, Show, ShowSize, Unknown } from "../core/shape_types.js";
import type { GradientRule } from "../graph/autograd.js";
import { type Node, record } from "../graph/graph.js";
import { Tensor } from "../tensor/tensor.js";
import { requireBias, requireFloat } from "./matmul.js";
import { reshape } from "./movement.js";
import { add } from "./pointwise.js";
import type { PaddingOf, PairOf, WindowShape } from "./window_types.js";

/** One number for rows and columns, or one each. */
export type Size2d = number | Pair;
/** One number all around, [rows, columns], or [[top, bottom], [left, right]]. */
export type Padding2d = number | Pair | readonly [Pair, Pair];

/** Stride 1, no padding, dilation 1 and one group if left out. */
export interface Conv2dOptions {
  stride?: Size2d;
  padding?: Padding2d;
  dilation?: Size2d;
  groups?: number;
}

/** Both numbers of a size. Throws a RangeError that names the option where one is below `least` or no whole number. */
export function pair(size: Size2d, what: string, least = 1): Pair {
  const both: Pair = typeof size === "number" ? [size, size] : size;
  if (both.length !== 2 || both.some((n) => !Number.isInteger(n) || n < least)) {
    throw new RangeError(
      `${what} is ${JSON.stringify(size)}; give a whole number of at least ${least}, or two`,
    );
  }
  return both;
}

export function paddingOf(padding: Padding2d, what: string): Padding {
  if (typeof padding !== "number" && typeof padding[0] !== "number") {
    const [rows, columns] = padding as readonly [Pair, Pair];
    return [
      ...pair(rows, `${what} padding`, 0),
      ...pair(columns, `${what} padding`, 0),
    ] as unknown as Padding;
  }
  const [rows, columns] = pair(padding as Size2d, `${what} padding`, 0);
  return [rows, rows, columns, columns];
}

/** How many places a kernel has along an axis. Throws a RangeError where it has none. */
export function outputSize(
  size: number,
  kernel: number,
  stride: number,
  before: number,
  after: number,
  dilation: number,
  what: string,
): number {
  const reach = dilation * (kernel - 1) + 1;
  const out = Math.floor((size + before + after - reach) / stride) + 1;
  if (out < 1) {
    throw new RangeError(
      `${what}: a kernel that spans ${reach} does not fit into ${size} elements with padding ${before} and ${after}`,
    );
  }
  return out;
}

export function conv2dShape(input: Shape, weight: Shape, g: ConvGeometry, what = "conv2d"): Shape {
  const [n, c, h, w] = input as [number, number, number, number];
  const [o, i, kh, kw] = weight as [number, number, number, number];
  if (input.length !== 4 || weight.length !== 4) {
    throw new RangeError(
      `${what}: needs an input [n, c, h, w] and a weight [o, c, kh, kw], got ${showShape(input)} and ${showShape(weight)}`,
    );
  }
  if (c !== i * g.groups)
    throw new RangeError(
      `${what}: expects ${i * g.groups} input channels but receives ${c}, in ${showShape(input)}`,
    );
  if (o % g.groups !== 0)
    throw new RangeError(`${what}: ${o} output channels do not divide into ${g.groups} groups`);
  const [top, bottom, left, right] = g.padding;
  return [
    n,
    o,
    outputSize(h, kh, g.stride[0], top, bottom, g.dilation[0], what),
    outputSize(w, kw, g.stride[1], left, right, g.dilation[1], what),
  ];
}

export function convGeometry(options: Conv2dOptions, what = "conv2d"): ConvGeometry {
  const groups = options.groups ?? 1;
  if (!Number.isInteger(groups) || groups < 1)
    throw new RangeError(`${what} groups is ${groups}; give a whole number of at least 1`);
  return {
    stride: pair(options.stride ?? 1, `${what} stride`),
    padding: paddingOf(options.padding ?? 0, what),
    dilation: pair(options.dilation ?? 1, `${what} dilation`),
    groups,
  };
}

/** The shape that `conv2d` gives, or a sentence. */
export type Convolved<X, W, Options> = true extends IsUnknown<X> | IsUnknown<W>
  ? Unknown
  : [X, W] extends [
        readonly [
          infer N extends number,
          infer C extends number,
          infer H extends number,
          infer Wd extends number,
        ],
        readonly [
          infer O extends number,
          infer I extends number,
          infer KH extends number,
          infer KW extends number,
        ],
      ]
    ? Multiply<I, PairOf<Options, "groups", 1>[0]> extends infer Expected extends number
      ? MayEqual<C, Expected> extends true
        ? WindowShape<
            O,
            [H, Wd],
            [KH, KW],
            PairOf<Options, "stride", 1>,
            PaddingOf<Options>,
            PairOf<Options, "dilation", 1>,
            "conv2d"
          > extends infer Image
          ? Image extends Shape
            ? [N, ...Image]
            : Image
          : never
        : `conv2d: expects ${ShowSize<Expected>} input channels but receives ${ShowSize<C>}, in ${Show<X>}`
      : never
    : `conv2d: needs an input [n, c, h, w] and a weight [o, c, kh, kw], got ${Show<X>} and ${Show<W>}`;

/**
 * Cross-correlation of x [n, c, h, w] with weight [o, c / groups, kh, kw], plus bias [o]: [n, o, h', w'], where
 * h' = floor((h + padding - dilation (kh - 1) - 1) / stride) + 1. Throws a RangeError where sizes do not fit.
 */
export function conv2d<
  X extends Shape,
  W extends Shape,
  const Options extends Conv2dOptions = Record<never, never>,
>(
  x: Tensor<X>,
  weight: Checked<Convolved<X, W, Options>, Tensor<W>>,
  bias?: Tensor | null,
  options?: Options,
): Tensor<ShapeOf<Convolved<X, W, Options>>, "f32">;
export function conv2d(x: Tensor, weight: Tensor, bias?: Tensor | null, options: Conv2dOptions = {}): Tensor {
  requireFloat("conv2d", x, weight);
  const g = convGeometry(options);
  const shape = conv2dShape(x.shape, weight.shape, g);
  const out = new Tensor(record({ kind: "conv2d", ...g }, [x.node, weight.node], shape, "f32"));
  if (bias) requireBias("conv2d", bias, shape[1]!);
  return bias ? add(out, reshape(bias, [1, -1, 1, 1])) : out;
}

function geometry(node: Node): ConvGeometry {
  const { stride, padding, dilation, groups } = node.operation as unknown as ConvGeometry;
  return { stride, padding, dilation, groups };
}

const forward = (x: Node, w: Node, shape: Shape, g: ConvGeometry): Node =>
  record({ kind: "conv2d", ...g }, [x, w], shape, "f32");
const inputGrad = (dy: Node, w: Node, shape: Shape, g: ConvGeometry): Node =>
  record({ kind: "conv2dInputGrad", ...g }, [dy, w], shape, "f32");
const weightGrad = (x: Node, dy: Node, shape: Shape, g: ConvGeometry): Node =>
  record({ kind: "conv2dWeightGrad", ...g }, [x, dy], shape, "f32");

export const conv2dGradient: GradientRule = (node, upstream, [wantX, wantW]) => {
  const [x, w] = node.inputs as [Node, Node];
  const g = geometry(node);
  return [
    wantX ? inputGrad(upstream, w, x.shape, g) : null,
    wantW ? weightGrad(x, upstream, w.shape, g) : null,
  ];
};

/** The three passes are linear in each operand, so their gradients are each other. */
export const conv2dInputGradGradient: GradientRule = (node, upstream, [wantDy, wantW]) => {
  const [dy, w] = node.inputs as [Node, Node];
  const g = geometry(node);
  return [
    wantDy ? forward(upstream, w, dy.shape, g) : null,
    wantW ? weightGrad(upstream, dy, w.shape, g) : null,
  ];
};

export const conv2dWeightGradGradient: GradientRule = (node, upstream, [wantX, wantDy]) => {
  const [x, dy] = node.inputs as [Node, Node];
  const g = geometry(node);
  return [
    wantX ? inputGrad(dy, upstream, x.shape, g) : null,
    wantDy ? forward(x, upstream, dy.shape, g) : null,
  ];
};
