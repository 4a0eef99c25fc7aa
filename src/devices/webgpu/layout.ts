import { byteSize, type DType } from "../../core/dtype.js";
import { UserError } from "../../core/errors.js";
import type { Plan, Step, Value, ValueOperand } from "../../core/plan.js";
import { denseStrides, elementCount, type Shape } from "../../core/shape.js";

/** Every part of the arena and of a parameter buffer begins on this, so that it can be bound. */
export const alignment = 256;

/** A range of one buffer that a dispatch binds: a page of the arena (buffer 0), or a piece of a run's binding. */
export interface Range {
  readonly buffer: number;
  /** Number of the page or piece. */
  readonly index: number;
  /** Within the page, or within the binding. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** A part of a value: where it begins in a range, and how many words it has there. */
export interface Part {
  readonly range: Range;
  readonly firstWord: number;
  readonly words: number;
}

/**
 * Where a plan's values lie in GPU buffers. The arena is cut into pages no larger than what one buffer and one binding
 * may be, a value of a run's binding into pieces; most GPUs allow gigabytes, so that both are whole. Behind the plan's
 * own arena lies scratch memory, which every step may use anew.
 */
export class Layout {
  readonly values: Value[];
  /** Bytes of the arena, scratch included. */
  arenaBytes: number;
  private readonly scratchStart: number;
  private readonly bindingBytes = new Map<number, number>();
  private scratchEnd: number;
  private arenaBefore: number;

  constructor(
    plan: Plan,
    readonly pageBytes: number,
  ) {
    this.values = [...plan.values];
    this.scratchStart = Math.ceil(plan.arenaBytes / alignment) * alignment;
    this.scratchEnd = this.scratchStart;
    this.arenaBytes = this.scratchStart;
    this.arenaBefore = this.scratchStart;
    for (const { buffer, byteOffset, elements, dtype } of plan.values) {
      if (elements >= 2 ** 32)
        throw new UserError(
          `a value of ${elements} elements (${dtype}) is needed, and shaders count to ${2 ** 32 - 1}; take a smaller batch or split it by microBatchSize (--micro-batch)`,
        );
      const bytes = Math.ceil((byteOffset + elements * byteSize(dtype)) / 4) * 4;
      this.bindingBytes.set(buffer, Math.max(4, bytes, this.bindingBytes.get(buffer) ?? 0));
    }
  }

  /** A dense value in scratch memory, alive until the next step. */
  scratch(dtype: DType, shape: Shape): ValueOperand {
    const elements = elementCount(shape);
    const byteOffset = this.scratchEnd;
    const bytes = Math.max(4, elements * byteSize(dtype));
    this.scratchEnd = Math.ceil((byteOffset + bytes) / alignment) * alignment;
    this.arenaBytes = Math.max(this.arenaBytes, this.scratchEnd);
    this.values.push({ dtype, buffer: 0, byteOffset, elements });
    const value = this.values.length - 1;
    return { kind: "value", value, dtype, shape, strides: denseStrides(shape), offset: 0 };
  }

  /** The scratch memory of the steps before is free again. */
  nextStep(): void {
    this.scratchEnd = this.scratchStart;
    this.arenaBefore = this.arenaBytes;
  }

  /** As if this step had taken no scratch memory yet. */
  restartStep(): void {
    this.scratchEnd = this.scratchStart;
    this.arenaBytes = this.arenaBefore;
  }

  /** The parts of a value, in its order. */
  parts(value: number): Part[] {
    const { buffer, byteOffset, elements, dtype } = this.values[value]!;
    const end = byteOffset + Math.max(4, Math.ceil((elements * byteSize(dtype)) / 4) * 4);
    const parts: Part[] = [];
    for (let at = byteOffset; at < end; ) {
      const index = Math.floor(at / this.pageBytes);
      const start = index * this.pageBytes;
      const stop = Math.min(end, start + this.pageBytes);
      const range = buffer === 0 ? this.page(index) : this.piece(buffer, index);
      parts.push({ range, firstWord: (at - start) / 4, words: (stop - at) / 4 });
      at = stop;
    }
    return parts;
  }

  private page(index: number): Range {
    return { buffer: 0, index, byteOffset: 0, byteLength: 0 };
  }

  private piece(buffer: number, index: number): Range {
    const byteOffset = index * this.pageBytes;
    const byteLength = Math.min(this.pageBytes, this.bindingBytes.get(buffer)! - byteOffset);
    return { buffer, index, byteOffset, byteLength };
  }
}

/** Names a range; equal for equal ranges. */
export function rangeKey({ buffer, index }: Range): string {
  return `${buffer}:${index}`;
}

/** The ranges that a step binds, in the order of its operands. */
export function rangesOf(step: Step, layout: Layout): Range[] {
  const found = new Map<string, Range>();
  const operands = [...step.inputs, ...step.extras, ...step.outputs.map(({ target }) => target)];
  for (const operand of operands) {
    if (operand.kind !== "value") continue;
    for (const { range } of layout.parts(operand.value)) found.set(rangeKey(range), range);
  }
  return [...found.values()];
}
