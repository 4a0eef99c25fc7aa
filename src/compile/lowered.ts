import type { DType } from "../core/dtype.js";
import type { Expr } from "../core/expression.js";
import type { Kernel } from "../core/kernel.js";
import type { Shape } from "../core/shape.js";
import { applyViews, dense, type Strided, type View } from "../core/view.js";

/** The compiler's form of a plan between its passes: steps over values, views still symbolic. */

/** What a step computes and others read. Dense in memory, in the order its strides say. */
export interface LValue {
  readonly id: number;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly strides: readonly number[];
  /** Index of the node whose storage this is; null: the arena. */
  external: number | null;
  /** For the new value of a variable: the value before, in the same memory. */
  overwrites: LValue | null;
}

export type LOperand =
  | { readonly kind: "value"; readonly value: LValue; readonly views: readonly View[] }
  | {
      readonly kind: "scalar";
      readonly node: number;
      readonly type: "f32" | "i32" | "u32";
      readonly views: readonly View[];
    }
  | { readonly kind: "iota"; readonly shape: Shape; readonly views: readonly View[] };

export interface LOutput {
  readonly value: LValue;
  /** Where in the value the step's shape lies (a part of a concatenation). */
  readonly views: readonly View[];
  readonly expr: Expr;
}

export interface LStep {
  /** Recording order: the earliest node that it computes. */
  order: number;
  kernel: Kernel;
  shape: Shape;
  inputs: LOperand[];
  pre: Expr | null;
  extras: LOperand[];
  outputs: LOutput[];
}

/** The strided place an operand reads; null where its views need a copy. */
export function place(operand: LOperand): Strided | null {
  return applyViews(base(operand), operand.views);
}

function base(operand: LOperand): Strided {
  if (operand.kind === "value")
    return { shape: operand.value.shape, strides: operand.value.strides, offset: 0 };
  return dense(operand.kind === "iota" ? operand.shape : []);
}

export function outputPlace(output: LOutput): Strided {
  return applyViews({ shape: output.value.shape, strides: output.value.strides, offset: 0 }, output.views)!;
}

/** Whether an operand reads all of its value, element by element, in the value's own index order (axes of size 1 aside). */
export function isWhole(operand: LOperand): boolean {
  if (operand.kind !== "value") return false;
  const at = place(operand);
  return (
    at !== null &&
    at.offset === 0 &&
    squeezed(at.shape, at.strides) === squeezed(operand.value.shape, operand.value.strides)
  );
}

function squeezed(shape: Shape, strides: readonly number[]): string {
  return shape.map((size, axis) => (size === 1 ? "" : `${size}:${strides[axis]} `)).join("");
}

/** Every operand of a step. */
export function operandsOf(step: LStep): LOperand[] {
  return [...step.inputs, ...step.extras];
}

/** The type an operand has inside expressions. */
export function scalarType(operand: LOperand): "f32" | "i32" | "u32" {
  if (operand.kind === "scalar") return operand.type;
  if (operand.kind === "iota") return "u32";
  return operand.value.dtype === "f32" ? "f32" : "i32";
}
