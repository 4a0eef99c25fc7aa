import { call, input } from "../core/expression.js";
import type { Shape } from "../core/shape.js";
import type { Exact } from "../core/shape_types.js";
import { record, recordView, scalarNode } from "../graph/graph.js";
import { Tensor } from "../tensor/tensor.js";
import { recordPointwise } from "./pointwise.js";

/** A tensor filled with one number; costs no memory until it is stored. */
export function full<const S extends Shape, D extends "f32" | "i32" = "f32">(
  shape: S,
  value: number,
  dtype: D = "f32" as D,
): Tensor<Exact<S>, D> {
  return new Tensor(recordView(scalarNode(value, dtype), { kind: "expand", shape }));
}

/** A tensor of zeros; costs no memory until it is stored. */
export function zeros<const S extends Shape, D extends "f32" | "i32" = "f32">(
  shape: S,
  dtype: D = "f32" as D,
): Tensor<Exact<S>, D> {
  return full(shape, 0, dtype);
}

/** A tensor of ones; costs no memory until it is stored. */
export function ones<const S extends Shape, D extends "f32" | "i32" = "f32">(
  shape: S,
  dtype: D = "f32" as D,
): Tensor<Exact<S>, D> {
  return full(shape, 1, dtype);
}

/** Ones in the shape of x. */
export function onesLike(x: Tensor, dtype: "f32" | "i32" = "f32"): Tensor {
  return full(x.shape, 1, dtype);
}

/** The whole numbers 0 to count - 1, as i32. */
export function arange<Count extends number>(count: Count): Tensor<[Count], "i32"> {
  const index = record({ kind: "iota" }, [], [count], "u32");
  return new Tensor(recordPointwise(call("i32FromU32", input(0, "u32")), [index], [count]));
}
