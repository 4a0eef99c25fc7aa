import { type DType, type HostArray, hostArray } from "../../core/dtype.js";
import { OutOfMemoryError } from "../../core/errors.js";
import { compileExpr } from "../../core/expression.js";
import type { Operand, Plan, Step } from "../../core/plan.js";
import { denseStrides, elementCount, type Shape } from "../../core/shape.js";
import type { Device, DeviceBuffer, Prepared } from "../device.js";
import { runCore } from "./kernels.js";

interface ReferenceBuffer extends DeviceBuffer {
  readonly bytes: Uint8Array;
}

/** Reads element `index` (row-major in the operand's shape). */
type Reader = (index: number) => number;

/**
 * The executable specification: plain loops in TypeScript, one thread, no library. Everything a plan can hold
 * means what it does here. Slow, and always there.
 */
export function openReference(): Device {
  let arena = new Uint8Array(0);
  return {
    name: "reference",
    description: "plain TypeScript loops, one thread (slow, runs anywhere)",
    traits: { channelsLast: false },
    allocate(bytes): ReferenceBuffer {
      try {
        return { byteLength: bytes, bytes: new Uint8Array(Math.ceil(bytes / 4) * 4) };
      } catch (error) {
        throw new OutOfMemoryError(`no memory for a buffer of ${bytes} bytes`, { cause: error });
      }
    },
    free() {},
    write(buffer, byteOffset, bytes) {
      (buffer as ReferenceBuffer).bytes.set(bytes, byteOffset);
    },
    async read(buffer, byteOffset, byteLength) {
      return (buffer as ReferenceBuffer).bytes.slice(byteOffset, byteOffset + byteLength);
    },
    prepare(plan): Prepared {
      return { plan };
    },
    async run({ plan }, bindings, scalars) {
      if (arena.length < plan.arenaBytes) arena = new Uint8Array(plan.arenaBytes);
      const memory = plan.values.map((value) => {
        const binding = value.buffer === 0 ? null : bindings[value.buffer - 1]!;
        const bytes = binding ? (binding.buffer as ReferenceBuffer).bytes : arena;
        const start = (binding?.byteOffset ?? 0) + value.byteOffset;
        return viewOf(value.dtype, bytes, start, value.elements);
      });
      for (const step of plan.steps) runStep(step, memory, roundScalars(plan, scalars));
    },
  };
}

function viewOf(dtype: DType, bytes: Uint8Array, start: number, elements: number): HostArray {
  return hostArray(dtype, bytes.subarray(start, start + elements * (dtype === "u8" ? 1 : 4)));
}

/** Slots hold what the type can hold. */
function roundScalars(plan: Plan, scalars: readonly number[]): number[] {
  return plan.scalars.map((type, i) => {
    const value = scalars[i]!;
    return type === "f32" ? Math.fround(value) : type === "u32" ? value >>> 0 : value | 0;
  });
}

function runStep(step: Step, memory: readonly HostArray[], scalars: readonly number[]): void {
  const readers = step.extras.map((operand) => reader(operand, memory, scalars));
  // Kernels read an element many times: its place is worked out once.
  const inputs = step.inputs.map((operand) => {
    const read = reader(operand, memory, scalars);
    const elements = new Float64Array(elementCount(operand.shape));
    for (let i = 0; i < elements.length; i++) elements[i] = read(i);
    return elements;
  });
  const cores = runCore(step, inputs);
  const count = elementCount(step.shape);
  const outputs = step.outputs.map(({ target, expr }) => ({
    compute: compileExpr(expr),
    memory: memory[target.value]!,
    position: positions(target.shape, target.strides, target.offset),
  }));
  const extras = new Float64Array(readers.length);
  const core = new Float64Array(cores.length);
  const results = new Float64Array(outputs.length);
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < readers.length; k++) extras[k] = readers[k]!(i);
    for (let k = 0; k < cores.length; k++) core[k] = Math.fround(cores[k]![i]!);
    // All outputs are computed before one is stored: a target may be an extra, updated in place.
    for (let k = 0; k < outputs.length; k++) results[k] = outputs[k]!.compute(extras, core);
    for (let k = 0; k < outputs.length; k++) outputs[k]!.memory[outputs[k]!.position(i)] = results[k]!;
  }
}

function reader(operand: Operand, memory: readonly HostArray[], scalars: readonly number[]): Reader {
  if (operand.kind === "scalar") {
    const value = scalars[operand.slot]!;
    return () => value;
  }
  const position = positions(operand.shape, operand.strides, operand.offset);
  if (operand.kind === "iota") return position;
  const from = memory[operand.value]!;
  return (index) => from[position(index)]!;
}

/** Memory position of a row-major index. */
function positions(shape: Shape, strides: readonly number[], offset: number): (index: number) => number {
  const dense = denseStrides(shape);
  const isDense = strides.every((stride, axis) => stride === dense[axis] || shape[axis] === 1);
  if (isDense) return (index) => offset + index;
  return (index) => {
    let at = offset;
    let rest = index;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const size = shape[axis]!;
      const quotient = Math.floor(rest / size);
      at += (rest - quotient * size) * strides[axis]!;
      rest = quotient;
    }
    return at;
  };
}
