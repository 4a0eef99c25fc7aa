import { UserError } from "../../core/errors.js";
import type { DeviceBuffer } from "../device.js";
import { alignment } from "./layout.js";
import type { WorkQueue } from "./queue.js";

/** Larger values have a buffer of their own; smaller ones lie in slabs, in slots of a power of two. */
const largestSlot = 2 ** 16;
const slabBytes = 2 ** 20;

export interface GpuSlot {
  readonly gpu: GPUBuffer;
  readonly start: number;
  readonly bytes: number;
}

export interface WebgpuBuffer extends DeviceBuffer {
  readonly slot: GpuSlot;
  /** Untouched host memory of the same size: the collector does not see the GPU's, and would never run for it. */
  readonly weight: ArrayBuffer | null;
}

/** The weight of a buffer in the collector's eyes; more would not make it run sooner. */
const mostWeight = 2 ** 28;

/** Gives out memory of a GPU and takes it back, from the user or from the collector. */
export class Memory {
  /** How many GPU buffers there are, staging included, and their bytes. */
  count = 0;
  bytes = 0;
  private readonly freeSlots = new Map<number, GpuSlot[]>();
  private readonly freeStaging = new Map<number, GPUBuffer[]>();
  private readonly released = new WeakSet<GpuSlot>();
  private readonly collected = new FinalizationRegistry<GpuSlot>((slot) => this.release(slot));

  constructor(
    private readonly gpu: GPUDevice,
    private readonly queue: WorkQueue,
    private readonly onDestroy: (buffer: GPUBuffer) => void,
  ) {}

  /** Zeroed. Throws a UserError where a buffer of this size cannot be. */
  allocate(byteLength: number): WebgpuBuffer {
    this.queue.check();
    const bytes = Math.max(alignment, 2 ** Math.ceil(Math.log2(Math.max(1, byteLength))));
    const slot =
      bytes <= largestSlot
        ? this.takeSlot(bytes)
        : { gpu: this.create(Math.ceil(byteLength / 4) * 4), start: 0, bytes: byteLength };
    const weight = byteLength > 2 ** 12 ? new ArrayBuffer(Math.min(byteLength, mostWeight)) : null;
    const buffer: WebgpuBuffer = { byteLength, slot, weight };
    this.collected.register(buffer, slot, buffer);
    return buffer;
  }

  free(buffer: WebgpuBuffer): void {
    this.collected.unregister(buffer);
    this.release(buffer.slot);
  }

  /** A buffer that steps may bind. Throws a UserError where the adapter allows none so large. */
  create(bytes: number): GPUBuffer {
    const limit = this.gpu.limits.maxBufferSize;
    if (bytes > limit)
      throw new UserError(
        `a GPU buffer of ${bytes} bytes was asked for, and this adapter allows ${limit}; take a smaller batch or network, or the CPU device`,
      );
    const usage = bufferUsage.storage | bufferUsage.copyFrom | bufferUsage.copyTo;
    return this.counted(this.gpu.createBuffer({ size: bytes, usage }));
  }

  /** A buffer for a plan's scalars. */
  createUniform(size: number): GPUBuffer {
    return this.counted(this.gpu.createBuffer({ size, usage: bufferUsage.uniform | bufferUsage.copyTo }));
  }

  destroy(buffer: GPUBuffer): void {
    this.count--;
    this.bytes -= buffer.size;
    this.onDestroy(buffer);
    buffer.destroy();
  }

  /** A buffer to read from, of at least `bytes`; give it back with `returnStaging`. */
  takeStaging(bytes: number): GPUBuffer {
    const size = 2 ** Math.ceil(Math.log2(Math.max(alignment, bytes)));
    const free = this.freeStaging.get(size)?.pop();
    if (free) return free;
    const usage = bufferUsage.mapToRead | bufferUsage.copyTo;
    return this.counted(this.gpu.createBuffer({ size, usage }));
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
      const gpu = this.create(slabBytes);
      for (let start = slabBytes - bytes; start >= 0; start -= bytes) free.push({ gpu, start, bytes });
      this.freeSlots.set(bytes, free);
    }
    const { gpu, start } = free.pop()!;
    this.queue.enqueue(() => this.gpu.queue.writeBuffer(gpu, start, new Uint8Array(bytes)));
    // A new object for every owner: a slot is given back once.
    return { gpu, start, bytes };
  }

  private release(slot: GpuSlot): void {
    if (this.released.has(slot)) return;
    this.released.add(slot);
    this.queue.enqueue(() => {
      if (slot.bytes > largestSlot) this.destroy(slot.gpu);
      else this.freeSlots.get(slot.bytes)!.push({ ...slot });
    });
  }

  private counted(buffer: GPUBuffer): GPUBuffer {
    this.count++;
    this.bytes += buffer.size;
    return buffer;
  }
}

/** The flags of GPUBufferUsage, which is a global of browsers only. */
export const bufferUsage = {
  mapToRead: 0x1,
  copyFrom: 0x4,
  copyTo: 0x8,
  uniform: 0x40,
  storage: 0x80,
} as const;
