import { broadcastShapes, type Shape, showShape } from "../core/shape.js";
import type {
  Broadcast,
  Checked,
  IsUnknown,
  MayEqual,
  ShapeOf,
  Show,
  ShowSize,
  Unknown,
} from "../core/shape_types.js";
import type { GradientRule } from "../graph/autograd.js";
import { type Node, record, recordView } from "../graph/graph.js";
import { Tensor } from "../tensor/tensor.js";
import { reshape, unsqueeze } from "./movement.js";
import { add, expandNode } from "./pointwise.js";

function matmulNode(a: Node, b: Node): Node {
  const shape = [...a.shape.slice(0, -1), b.shape[b.shape.length - 1]!];
  return record({ kind: "matmul" }, [a, b], shape, "f32");
}

function swapLast(node: Node): Node {
  const rank = node.shape.length;
  const axes = node.shape.map((_, axis) =>
    axis === rank - 2 ? rank - 1 : axis === rank - 1 ? rank - 2 : axis,
  );
  return recordView(node, { kind: "permute", axes });
}

/** Shape of a matrix product, or a sentence. */
export type Product<A, B> = true extends IsUnknown<A> | IsUnknown<B>
  ? Unknown
  : A extends readonly []
    ? "matmul: a number has no rows or columns; use mul"
    : B extends readonly []
      ? "matmul: a number has no rows or columns; use mul"
      : A extends readonly [infer K extends number]
        ? WithoutAxis<Product<[1, K], B>, B extends readonly [number] ? "last" : "second to last">
        : B extends readonly [infer K extends number]
          ? WithoutAxis<Product<A, [K, 1]>, "last">
          : [A, B] extends [
                readonly [...infer LeadA extends Shape, infer M extends number, infer K extends number],
                readonly [...infer LeadB extends Shape, infer Rows extends number, infer N extends number],
              ]
            ? MayEqual<K, Rows> extends true
              ? Broadcast<LeadA, LeadB, "matmul"> extends infer Lead
                ? Lead extends Shape
                  ? [...Lead, M, N]
                  : Lead
                : never
              : `matmul: ${Show<A>} has ${ShowSize<K>} columns, ${Show<B>} has ${ShowSize<Rows>} rows; they must be equal`
            : never;

type WithoutAxis<S, Which extends "last" | "second to last"> = S extends readonly [
  ...infer Lead extends Shape,
  infer Second extends number,
  infer Last extends number,
]
  ? Which extends "last"
    ? [...Lead, Second]
    : [...Lead, Last]
  : S extends readonly [number]
    ? []
    : S;

/**
 * Matrix product over the last two axes, leading axes broadcast; a vector counts as a row on the left, a column
 * on the right. Throws a RangeError where inner sizes differ, a TypeError on integers.
 */
export function matmul<A extends Shape, B extends Shape>(
  a: Tensor<A>,
  b: Checked<Product<A, B>, Tensor<B>>,
): Tensor<ShapeOf<Product<A, B>>, "f32">;
export function matmul(a: Tensor, b: Tensor): Tensor {
  requireFloat("matmul", a, b);
  if (a.shape.length === 0 || b.shape.length === 0)
    throw new RangeError("matmul: a number has no rows or columns; use mul");
  if (a.shape.length === 1) {
    const out = matmul(unsqueeze(a, 0), b);
    return reshape(out, out.shape.toSpliced(b.shape.length === 1 ? -1 : -2, 1));
  }
  if (b.shape.length === 1) {
    const out = matmul(a, unsqueeze(b, 1));
    return reshape(out, out.shape.slice(0, -1));
  }
  const [m, k] = a.shape.slice(-2) as [number, number];
  const [k2, n] = b.shape.slice(-2) as [number, number];
  if (k !== k2)
    throw new RangeError(
      `matmul: ${showShape(a.shape)} has ${k} columns, ${showShape(b.shape)} has ${k2} rows; they must be equal`,
    );
  const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2), "matmul");
  const node = matmulNode(expandNode(a.node, [...batch, m, k]), expandNode(b.node, [...batch, k, n]));
  return new Tensor(node);
}

export type Affine<X, W> = true extends IsUnknown<X> | IsUnknown<W>
  ? Unknown
  : [X, W] extends [
        readonly [...infer Lead extends Shape, infer Given extends number],
        readonly [infer Out extends number, infer In extends number],
      ]
    ? MayEqual<Given, In> extends true
      ? [...Lead, Out]
      : `linear: expects ${ShowSize<In>} input features but receives ${ShowSize<Given>}, in ${Show<X>}`
    : Unknown;

/** x [..., in] times weight [out, in] transposed, plus bias [out]: [..., out]. Throws a RangeError naming both sizes. */
export function linear<X extends Shape, W extends Shape>(
  x: Tensor<X>,
  weight: Checked<Affine<X, W>, Tensor<W>>,
  bias?: Tensor | null,
): Tensor<ShapeOf<Affine<X, W>>, "f32">;
export function linear(x: Tensor, weight: Tensor, bias?: Tensor | null): Tensor {
  requireFloat("linear", x, weight);
  const [out, features] = weight.shape as [number, number];
  const given = x.shape[x.shape.length - 1];
  if (given !== features)
    throw new RangeError(
      `linear: expects ${features} input features but receives ${given}, in ${showShape(x.shape)}`,
    );
  const rows: Shape = [-1, features];
  const flat = x.shape.length === 2 ? x : x.shape.length === 1 ? unsqueeze(x, 0) : reshape(x, rows);
  const product = new Tensor(matmulNode(flat.node, swapLast(weight.node)));
  if (bias) requireBias("linear", bias, out);
  const biased = bias ? add(product, bias) : product;
  return reshape(biased, [...x.shape.slice(0, -1), out]);
}

export function requireFloat(what: string, ...tensors: Tensor[]): void {
  for (const one of tensors) {
    if (one.dtype !== "f32")
      throw new TypeError(
        `${what}: needs f32 tensors, got ${one.dtype}${showShape(one.shape)}; cast(x, "f32") first`,
      );
  }
}

/** Checks a bias, which would broadcast silently. Throws a RangeError that names both sizes. */
export function requireBias(what: string, bias: Tensor, outputs: number): void {
  if (bias.shape.length === 1 && bias.shape[0] === outputs) return;
  throw new RangeError(`${what}: the bias has shape ${showShape(bias.shape)}, expected [${outputs}]`);
}

export const matmulGradient: GradientRule = (node, upstream, wanted) => {
  const [a, b] = node.inputs as [Node, Node];
  // A transposed operand (a linear layer's weight) gets its gradient in the layout of what was transposed.
  const isTransposed = b.operation.kind === "view" && b.operation.view.kind === "permute";
  if (isTransposed && wanted[1]) {
    return [
      wanted[0] ? matmulNode(upstream, swapLast(b)) : null,
      swapLast(matmulNode(swapLast(upstream), a)),
    ];
  }
  return [
    wanted[0] ? matmulNode(upstream, swapLast(b)) : null,
    wanted[1] ? matmulNode(swapLast(a), upstream) : null,
  ];
};
