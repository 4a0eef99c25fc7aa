import { broadcastShapes, type Shape, showShape } from "../core/shape.js";
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

/**
 * Matrix product over the last two axes, leading axes broadcast; a vector counts as a row on the left, a column
 * on the right. Throws a RangeError where inner sizes differ, a TypeError on integers.
 */
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

/** x [..., in] times weight [out, in] transposed, plus bias [out]: [..., out]. Throws a RangeError naming both sizes. */
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
