import { UserError } from "../core/errors.js";
import type { Plan } from "../core/plan.js";
import type { Learners } from "./learners.js";

/**
 * The contract of a device. Work is first in, first out: `run`, `write` and `read` take effect in the order
 * they were called, so nobody waits between them. A promise covers completion only. A device holds one arena,
 * grown to the largest plan and shared by all, since plans never run at once.
 */
export interface Device {
  /** Short name: "webgpu", "cpu", "wasm", "reference". */
  readonly name: string;
  /** A sentence for people: processor, instruction set, threads. */
  readonly description: string;
  /** Where it stands in for a faster one that could not be opened: a sentence that says why, and what would help. */
  readonly standIn?: string;
  readonly traits: DeviceTraits;
  /** Where a measurement may have chosen kernels: which, by class of problem. They decide the last bits, so a run keeps them. */
  readonly variants?: Readonly<Record<string, string>>;
  /** Bytes of its memory that are taken now; left out where a device does not count them. */
  readonly memoryBytes?: number;
  /** Left out where a device has none. */
  readonly learners?: Learners;
  /**
   * Zeroed memory. Throws an Error that names the size where there is none; a device that finds out later rejects what
   * uses the memory with an OutOfMemoryError.
   */
  allocate(bytes: number): DeviceBuffer;
  /** Gives the memory back once the work queued so far is done; safe to leave to the collector. */
  free(buffer: DeviceBuffer): void;
  /** Copies host bytes in (before it returns, so the caller may reuse them). */
  write(buffer: DeviceBuffer, byteOffset: number, bytes: Uint8Array): void;
  /** Copies bytes out, after all work queued before. */
  read(buffer: DeviceBuffer, byteOffset: number, byteLength: number): Promise<Uint8Array>;
  /** Turns a plan into the device's own form, once. */
  prepare(plan: Plan): Prepared;
  /**
   * Turns a plan into pieces that are run one after the other with nothing between: piece k ends before step `cuts[k]`,
   * the last one with the plan. Left out where intermediate results do not outlive a run.
   */
  prepareInPieces?(plan: Plan, cuts: readonly number[]): Prepared[];
  /**
   * Where a buffer begins in this process's memory, for libraries that work on it while no queued work does; left out
   * where it cannot be reached. It keeps nothing alive.
   */
  address?(buffer: DeviceBuffer): bigint;
  /**
   * Queues a run; `bindings[i]` stands for the plan's buffer i + 1; `scalars[i]` for its slot i. Rejected with an
   * OutOfMemoryError, it has changed nothing.
   */
  run(prepared: Prepared, bindings: readonly Binding[], scalars: readonly number[]): Promise<void>;
}

export interface DeviceTraits {
  /** Feature maps lie as [N, H, W, C] inside plans. */
  readonly channelsLast: boolean;
  /**
   * Most bytes of one buffer that several values may share; a single value may be larger, in a buffer of its own. No
   * limit if left out.
   */
  readonly maxSharedBytes?: number;
}

/**
 * How convolutions are computed: `auto` takes the cheapest by shapes, `direct` never Winograd (the smallest rounding
 * error), `winograd` Winograd wherever it applies, `winograd-precise` its smaller tiles, where 3x3, for less error.
 */
export const convolutionAlgorithms = ["auto", "direct", "winograd", "winograd-precise"] as const;
export type ConvolutionAlgorithm = (typeof convolutionAlgorithms)[number];

/** Throws a UserError where it is none of them; `auto` where it was left out. */
export function requireConvolution(convolution: ConvolutionAlgorithm = "auto"): ConvolutionAlgorithm {
  if (convolutionAlgorithms.includes(convolution)) return convolution;
  throw new UserError(
    `convolution is ${JSON.stringify(convolution)}; choose one of ${convolutionAlgorithms.join(", ")}`,
  );
}

/** Memory of a device; opaque but for its size. */
export interface DeviceBuffer {
  readonly byteLength: number;
}

export interface Binding {
  readonly buffer: DeviceBuffer;
  readonly byteOffset: number;
}

/** A plan in a device's own form; opaque. */
export interface Prepared {
  readonly plan: Plan;
}

/** What a device is, or why it cannot be used. */
export interface DeviceReport {
  readonly name: string;
  readonly available: boolean;
  /** Whether "auto" may take it: a software adapter must be named. */
  readonly isAutomatic: boolean;
  /** What it is, or why not and what would help. */
  readonly description: string;
  /** More for those who want to know: an adapter's limits and features. */
  readonly details: readonly string[];
}
