import {
  type Operand,
  type Output,
  type Plan,
  type Step,
  showPlan,
  type Value,
  type ValueOperand,
} from "../core/plan.js";
import { elementCount } from "../core/shape.js";
import { type LOperand, type LStep, type LValue, outputPlace, place } from "./lowered.js";
import type { Arena } from "./reuse.js";

/** What a plan needs at a run: bindings and scalars as indices of the graph's nodes. */
export interface Encoded {
  readonly plan: Plan;
  readonly bindings: readonly number[];
  readonly scalars: readonly number[];
}

/** Resolves views to strides and values to places; drops steps that compute nothing. */
export function encode(steps: readonly LStep[], arena: Arena): Encoded {
  const values: Value[] = [];
  const numbers = new Map<LValue, number>();
  const bindings: number[] = [];
  const buffers = new Map<LValue, number>();
  const scalars: number[] = [];
  const scalarTypes: ("f32" | "i32" | "u32")[] = [];
  const slots = new Map<number, number>();

  const bufferOf = (value: LValue): number => {
    if (value.external === null) return 0;
    const owner = value.overwrites ?? value;
    let found = buffers.get(owner);
    if (found === undefined) {
      bindings.push(owner.external!);
      found = bindings.length;
      buffers.set(owner, found);
    }
    return found;
  };
  const numberOf = (value: LValue): number => {
    let found = numbers.get(value);
    if (found === undefined) {
      found = values.length;
      numbers.set(value, found);
      values.push({
        dtype: value.dtype,
        buffer: bufferOf(value),
        byteOffset: value.external === null ? arena.offsets.get(value)! : 0,
        elements: elementCount(value.shape),
      });
    }
    return found;
  };
  const operand = (from: LOperand): Operand => {
    const at = place(from)!;
    if (from.kind === "iota") return { kind: "iota", ...at };
    if (from.kind === "value")
      return { kind: "value", value: numberOf(from.value), dtype: from.value.dtype, ...at };
    let slot = slots.get(from.node);
    if (slot === undefined) {
      slot = scalars.length;
      slots.set(from.node, slot);
      scalars.push(from.node);
      scalarTypes.push(from.type);
    }
    return { kind: "scalar", slot, type: from.type, shape: at.shape };
  };
  const output = (from: LStep["outputs"][number]): Output => {
    const target: ValueOperand = {
      kind: "value",
      value: numberOf(from.value),
      dtype: from.value.dtype,
      ...outputPlace(from),
    };
    return { target, expr: from.expr };
  };

  const encoded: Step[] = [];
  for (const step of steps) {
    const outputs = step.outputs.map(output);
    if (elementCount(step.shape) === 0) continue;
    const { kernel, shape, pre } = step;
    encoded.push({
      kernel,
      shape,
      inputs: step.inputs.map(operand),
      pre,
      extras: step.extras.map(operand),
      outputs,
    });
  }
  const body = {
    steps: encoded,
    values,
    arenaBytes: arena.bytes,
    bindings: bindings.length,
    scalars: scalarTypes,
  };
  return { plan: { ...body, toString: () => showPlan(body) }, bindings, scalars };
}
