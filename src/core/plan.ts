import type { DType } from "./dtype.js";
import { type Expr, showExpr } from "./expression.js";
import { type Kernel, showKernel } from "./kernel.js";
import { type Shape, showShape } from "./shape.js";

/**
 * A plan: what the compiler makes of a graph and a device runs. Buffer 0 is the plan's arena, buffers 1 and
 * up are bound at each run (parameters, batches, results). All numbers are fixed but the scalars.
 */
export interface Plan {
  readonly steps: readonly Step[];
  readonly values: readonly Value[];
  /** Bytes of the arena (buffer 0). */
  readonly arenaBytes: number;
  /** How many buffers are bound at a run, the arena not counted. */
  readonly bindings: number;
  /** Types of the scalar slots. */
  readonly scalars: readonly ("f32" | "i32" | "u32")[];
  toString(): string;
}

/** A dense region of a buffer. */
export interface Value {
  readonly dtype: DType;
  readonly buffer: number;
  /** In bytes; a multiple of 4, and of 256 in the arena. */
  readonly byteOffset: number;
  readonly elements: number;
}

/** What a step reads: a strided view of a value (strides and offset in elements), a number, or the strided index itself. */
export type Operand =
  | {
      readonly kind: "value";
      readonly value: number;
      readonly dtype: DType;
      readonly shape: Shape;
      readonly strides: readonly number[];
      readonly offset: number;
    }
  | {
      readonly kind: "scalar";
      readonly slot: number;
      readonly type: "f32" | "i32" | "u32";
      readonly shape: Shape;
    }
  /** offset + sum of index * stride, as u32. */
  | {
      readonly kind: "iota";
      readonly shape: Shape;
      readonly strides: readonly number[];
      readonly offset: number;
    };

export type ValueOperand = Extract<Operand, { kind: "value" }>;

/** One output: `expr` over the step's extras (`in<i>` is extras[i]) and cores, stored at a strided place of the step's shape. */
export interface Output {
  readonly target: ValueOperand;
  readonly expr: Expr;
}

/**
 * One kernel launch. The core runs over `inputs`; each element of `shape` then goes through every output's
 * expression. Extras have the step's shape (broadcasts are stride 0). An output may lie where an extra lies
 * (same strides and offset): then it is updated in place. No output overlaps an input otherwise.
 */
export interface Step {
  readonly kernel: Kernel;
  readonly shape: Shape;
  readonly inputs: readonly Operand[];
  /** Reduce only: the expression reduced, over `inputs` (all of the shape before reduction). */
  readonly pre: Expr | null;
  readonly extras: readonly Operand[];
  readonly outputs: readonly Output[];
}

export function showOperand(operand: Operand): string {
  if (operand.kind === "scalar") return `s${operand.slot}`;
  const place = `${showShape(operand.shape)}:${operand.strides.join(",")}${operand.offset ? `+${operand.offset}` : ""}`;
  return operand.kind === "iota" ? `iota${place}` : `v${operand.value}.${operand.dtype}${place}`;
}

export function showStep(step: Step): string {
  const inputs = step.inputs.map(showOperand).join(", ");
  const pre = step.pre ? ` of ${showExpr(step.pre)}` : "";
  const extras = step.extras.length
    ? ` with ${step.extras.map((x, i) => `in${i}=${showOperand(x)}`).join(", ")}`
    : "";
  const outputs = step.outputs.map((o) => `\n      ${showOperand(o.target)} = ${showExpr(o.expr)}`).join("");
  return `${showKernel(step.kernel)} ${showShape(step.shape)}${inputs ? ` <- ${inputs}` : ""}${pre}${extras}${outputs}`;
}

export function showPlan(plan: Omit<Plan, "toString">): string {
  const lines = [
    `plan: ${plan.steps.length} steps, arena ${plan.arenaBytes} bytes, ${plan.bindings} bindings, ${plan.scalars.length} scalars`,
  ];
  plan.values.forEach((value, i) => {
    const place =
      value.buffer === 0 ? `arena+${value.byteOffset}` : `binding${value.buffer}+${value.byteOffset}`;
    lines.push(`  v${i}: ${value.dtype} x ${value.elements} at ${place}`);
  });
  plan.steps.forEach((step, i) => {
    lines.push(`  ${i}: ${showStep(step)}`);
  });
  return lines.join("\n");
}
