import type { DType } from "../core/dtype.js";
import { call } from "../core/expression.js";
import { type Shape, showShape } from "../core/shape.js";
import type { IsUnknown, Unknown } from "../core/shape_types.js";
import type { GradientRule } from "../graph/autograd.js";
import { type Node, record } from "../graph/graph.js";
import { Tensor } from "../tensor/tensor.js";
import { arange } from "./creation.js";
import { unsqueeze } from "./movement.js";
import { pointwise } from "./pointwise.js";

function gatherNode(table: Node, index: Node): Node {
  return record({ kind: "gather" }, [table, index], [...index.shape, ...table.shape.slice(1)], table.dtype);
}

function scatterAddNode(dy: Node, index: Node, shape: Shape): Node {
  return record({ kind: "scatterAdd" }, [dy, index], shape, "f32");
}

function requireIndex(what: string, index: Tensor): void {
  if (index.dtype === "f32")
    throw new TypeError(`${what}: indices must be i32 or u8, got f32${showShape(index.shape)}`);
}

/** Rows of `table` by an integer tensor: [...index, ...row]. An index outside the table reads zeros. */
export function gather<Table extends Shape, D extends DType, Index extends Shape>(
  table: Tensor<Table, D>,
  index: Tensor<Index>,
): Tensor<Gathered<Table, Index>, D> {
  requireIndex("gather", index);
  if (table.shape.length === 0) throw new RangeError("gather: the table has no axis to index");
  return new Tensor(gatherNode(table.node, index.node));
}

export type Gathered<Table, Index> = true extends IsUnknown<Table> | IsUnknown<Index>
  ? Unknown
  : [Table, Index] extends [readonly [number, ...infer Row extends Shape], infer Lead extends Shape]
    ? [...Lead, ...Row]
    : Unknown;

/** 1 where the class (a new last axis) is the label, else 0; f32. A label outside gives only zeros. */
export function oneHot<S extends Shape, Classes extends number>(
  labels: Tensor<S>,
  classes: Classes,
): Tensor<IsUnknown<S> extends true ? Unknown : [...S, Classes], "f32">;
export function oneHot(labels: Tensor, classes: number): Tensor {
  requireIndex("oneHot", labels);
  return pointwise("oneHot", [unsqueeze(labels, -1), arange(classes)], (label, index) =>
    call("f32FromI32", call("i32FromBool", call("eq", label, index))),
  );
}

export const gatherGradient: GradientRule = (node, upstream) => {
  const [table, index] = node.inputs as [Node, Node];
  return [scatterAddNode(upstream, index, table.shape), null];
};

export const scatterAddGradient: GradientRule = (node, upstream) => [
  gatherNode(upstream, node.inputs[1]!),
  null,
];
