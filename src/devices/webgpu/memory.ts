import { OutOfMemoryError, UserError } from "../../core/errors.js";
import type { DeviceBuffer } from "../device.js";
import { alignment } from "./layout.js";
import type { WorkQueue } from "./queue.js";

/** Larger values have GPU buffers of their own; smaller ones lie in slabs, in slots of a power of two. */
const mostSlot = 2 ** 16;
const mostSlab = 2 ** 20;
const mostStaging = 2 ** 26;

/** Shaders count elements by 32 bits; none has more than four bytes. */
const mostBytes = 2 ** 34;

export interface GpuSlot {
  readonly gpu: GPUBuffer;
  readonly start: number;
  readonly bytes: number;
  readonly isInSlab: boolean;
}

export interface WebgpuBuffer extends DeviceBuffer {
  /** One, or several of `pageBytes` where it is larger than a GPU buffer may be. */
  readonly slots: readonly GpuSlot[];
  /** Untouched host memory of the same size: the collector does not see the GPU's, and would never run for it. */
  readonly weight: ArrayBuffer | null;
}

export interface MemoryLimits {
  /** Of one GPU buffer. */
  readonly bufferBytes: number;
  /** Of each piece of what is larger; at most `bufferBytes`. */
  readonly pageBytes: number;
  /** Of all GPU buffers together. */
  readonly memoryBytes: number;
}

/** The weight of a buffer in the collector's eyes; more would not make it run sooner. */
const mostWeight = 2 ** 28;

/** Gives out memory of a GPU and takes it back, from the user or from the collector. */
export class Memory {
  /** How many GPU buffers there are, staging included, and their bytes. */
  count = 0;
  bytes = 0;
  private readonly largestSlot: number;
  private readonly slabBytes: number;
  private readonly freeSlots = new Map<number, GpuSlot[]>();
  private readonly freeStaging = new Map<number, GPUBuffer[]>();
  private readonly released = new WeakSet<readonly GpuSlot[]>();
  private readonly collected = new FinalizationRegistry<readonly GpuSlot[]>((slots) => this.release(slots));
  /** Buffers that there was no memory for. */
  private readonly failures = new WeakMap<GPUBuffer, OutOfMemoryError>();

  constructor(
    private readonly gpu: GPUDevice,
    private readonly queue: WorkQueue,
    private readonly limits: MemoryLimits,
    private readonly onDestroy: (buffer: GPUBuffer) => void,
  ) {
    this.slabBytes = Math.min(mostSlab, 2 ** Math.floor(Math.log2(limits.bufferBytes)));
    this.largestSlot = Math.min(mostSlot, this.slabBytes);
  }

  /** Zeroed. Throws a UserError where no shader could address it. */
  allocate(byteLength: number): WebgpuBuffer {
    this.queue.check();
    if (byteLength > mostBytes)
      throw new UserError(
        `a value of ${byteLength} bytes was asked for, and shaders address ${mostBytes}; take a smaller batch or network`,
      );
    const bytes = Math.max(alignment, 2 ** Math.ceil(Math.log2(Math.max(1, byteLength))));
    const slots = bytes <= this.largestSlot ? [this.takeSlot(bytes)] : this.pieces(byteLength);
    const weight = byteLength > 2 ** 12 ? new ArrayBuffer(Math.min(byteLength, mostWeight)) : null;
    const buffer: WebgpuBuffer = { byteLength, slots, weight };
    this.collected.register(buffer, slots, buffer);
    return buffer;
  }

  free(buffer: WebgpuBuffer): void {
    this.collected.unregister(buffer);
    this.release(buffer.slots);
  }

  /** A buffer that steps may bind, of at most `bufferBytes`. */
  create(bytes: number): GPUBuffer {
    return this.make(bytes, bufferUsage.storage | bufferUsage.copyFrom | bufferUsage.copyTo);
  }

  /** A buffer for a plan's scalars. */
  createUniform(size: number): GPUBuffer {
    return this.make(size, bufferUsage.uniform | bufferUsage.copyTo);
  }

  /** Whether there was no memory for a buffer; known once the queue goes on. */
  isMissing(buffer: GPUBuffer): boolean {
    return this.failures.has(buffer);
  }

  /** Throws an OutOfMemoryError where there was no memory for it. */
  ensure(buffer: GPUBuffer): void {
    const failure = this.failures.get(buffer);
    if (failure) throw failure;
  }

  destroy(buffer: GPUBuffer): void {
    if (this.isMissing(buffer)) return;
    this.count--;
    this.bytes -= buffer.size;
    this.onDestroy(buffer);
    buffer.destroy();
  }

  /** The most that one staging buffer takes. */
  get stagingBytes(): number {
    return Math.min(mostStaging, 2 ** Math.floor(Math.log2(this.limits.bufferBytes)));
  }

  /** A buffer to read from, of at least `bytes`; give it back with `returnStaging`. */
  takeStaging(bytes: number): GPUBuffer {
    const size = 2 ** Math.ceil(Math.log2(Math.max(alignment, bytes)));
    const free = this.freeStaging.get(size)?.pop();
    return free ?? this.make(size, bufferUsage.mapToRead | bufferUsage.copyTo);
  }

  /** Keeps one of each size. */
  returnStaging(buffer: GPUBuffer): void {
    const free = this.freeStaging.get(buffer.size) ?? [];
    if (free.length > 0) this.destroy(buffer);
    else this.freeStaging.set(buffer.size, [buffer]);
  }

  private takeSlot(bytes: number): GpuSlot {
    const free = this.freeSlots.get(bytes) ?? [];
    if (free.length === 0) {
      const gpu = this.create(this.slabBytes);
      for (let start = this.slabBytes - bytes; start >= 0; start -= bytes)
        free.push({ gpu, start, bytes, isInSlab: true });
      this.freeSlots.set(bytes, free);
    }
    const slot = free.pop()!;
    const { gpu, start } = slot;
    this.queue.enqueue(() => {
      if (!this.isMissing(gpu)) this.gpu.queue.writeBuffer(gpu, start, new Uint8Array(bytes));
    });
    return slot;
  }

  private pieces(byteLength: number): GpuSlot[] {
    const { bufferBytes, pageBytes } = this.limits;
    const whole = Math.ceil(byteLength / 4) * 4;
    const most = whole <= bufferBytes ? whole : pageBytes;
    return Array.from({ length: Math.ceil(whole / most) }, (_, k) => {
      const bytes = Math.min(most, whole - k * most);
      return { gpu: this.create(bytes), start: 0, bytes, isInSlab: false };
    });
  }

  private release(slots: readonly GpuSlot[]): void {
    if (this.released.has(slots)) return;
    this.released.add(slots);
    this.queue.enqueue(() => {
      for (const slot of slots) {
        if (!slot.isInSlab) this.destroy(slot.gpu);
        else if (!this.isMissing(slot.gpu)) this.freeSlots.get(slot.bytes)!.push(slot);
      }
    });
  }

  /** What uses the buffer waits until the GPU has told whether there was memory for it. */
  private make(size: number, usage: number): GPUBuffer {
    const { memoryBytes } = this.limits;
    const isOver = this.bytes + size > memoryBytes;
    this.gpu.pushErrorScope("out-of-memory");
    const buffer = this.gpu.createBuffer({ size, usage });
    this.count++;
    this.bytes += size;
    const told = this.gpu.popErrorScope().then(
      (error) => {
        if (error) this.miss(buffer, error.message);
        else if (isOver) this.miss(buffer, `it may hold ${memoryBytes}`);
      },
      // A lost GPU, of which the queue knows.
      () => {},
    );
    this.queue.hold(told);
    return buffer;
  }

  private miss(buffer: GPUBuffer, reason: string): void {
    this.destroy(buffer);
    for (const [bytes, free] of this.freeSlots)
      this.freeSlots.set(
        bytes,
        free.filter(({ gpu }) => gpu !== buffer),
      );
    this.failures.set(
      buffer,
      new OutOfMemoryError(
        `the GPU has no memory for ${buffer.size} bytes beside the ${this.bytes} in use (${reason}); take a smaller batch or network, split the batch by microBatchSize (--micro-batch), or take the CPU device`,
      ),
    );
  }
}

/** The parts of a range of a buffer, each in one GPU buffer and of at most `most` bytes; `from` counts from the range's start. */
export function partsOf(
  { slots }: WebgpuBuffer,
  byteOffset: number,
  byteLength: number,
  most = Number.POSITIVE_INFINITY,
): { gpu: GPUBuffer; offset: number; from: number; bytes: number }[] {
  const parts: { gpu: GPUBuffer; offset: number; from: number; bytes: number }[] = [];
  const end = byteOffset + byteLength;
  let slotStart = 0;
  for (const { gpu, start, bytes: slotBytes } of slots) {
    const slotEnd = slotStart + slotBytes;
    for (let at = Math.max(byteOffset, slotStart); at < Math.min(end, slotEnd); ) {
      const bytes = Math.min(most, Math.min(end, slotEnd) - at);
      parts.push({ gpu, offset: start + at - slotStart, from: at - byteOffset, bytes });
      at += bytes;
    }
    slotStart = slotEnd;
  }
  return parts;
}

/** The flags of GPUBufferUsage, which is a global of browsers only. */
export const bufferUsage = {
  mapToRead: 0x1,
  copyFrom: 0x4,
  copyTo: 0x8,
  uniform: 0x40,
  storage: 0x80,
} as const;
