import type { Plan } from "../../core/plan.js";
import type { Binding, Device, DeviceBuffer, Prepared } from "../device.js";
import { shaderOf } from "./kernels.js";
import { launchesOf } from "./launches.js";
import { alignment, Layout, type Range } from "./layout.js";
import { Memory, partsOf, type WebgpuBuffer } from "./memory.js";
import { WorkQueue } from "./queue.js";
import { type ChosenVariants, usualVariants } from "./variants.js";

/**
 * The WebGPU device, over a GPUDevice that it is given: it imports nothing of Node's and runs in browsers and workers
 * alike. A plan is one compute pass and one submit.
 *
 * Memory: the arena is one buffer, bound whole and `read_write`, offsets being constants of the shaders, since
 * WebGPU forbids to bind a buffer read-only and writable in one dispatch and most adapters bind gigabytes at once; it
 * also takes one binding where separate buffers take one a value (the least an adapter must offer is eight). Where one
 * buffer or one binding holds less than the arena it is cut into pages, a buffer each, and a value across an edge is
 * read from both. Parameters, batches and results are bound by their own ranges, which do not overlap; one that is
 * larger than a buffer may be lies in several, a page each.
 */
export interface WebgpuOptions {
  /** How kernels are cut up; left out: as usual for the kind of adapter. */
  variants?: ChosenVariants;
  /** To try a smaller GPU's limits; left out: the GPU's own. Bytes of a binding, of a buffer, of all buffers together. */
  bindingBytes?: number;
  bufferBytes?: number;
  memoryBytes?: number;
  /** Storage buffers that a dispatch may bind; left out: the GPU's own. */
  bindings?: number;
}

interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly ranges: readonly Range[];
  readonly usesScalars: boolean;
  readonly workgroups: readonly [x: number, y: number];
  /** The last few, by what they bind: batches and results rotate through a few places. */
  readonly groups: Map<string, GPUBindGroup>;
}

export interface WebgpuPrepared extends Prepared {
  readonly dispatches: readonly Dispatch[];
  readonly arenaBytes: number;
  scalars: GPUBuffer | null;
}

export interface WebgpuDevice extends Device {
  /** For tests: what was submitted, and what lies on the GPU. */
  readonly counts: { readonly submits: number; readonly buffers: number; readonly bytes: number };
  readonly variants: ChosenVariants;
  prepare(plan: Plan): WebgpuPrepared;
}

/** The limits that the device wants raised to what the adapter has: others are enough as they are. */
export const wantedLimits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
] as const;

const keptGroups = 4;

/** GPUShaderStage.COMPUTE and GPUMapMode.READ, which are globals of browsers only. */
const computeStage = 0x4;
const mapToRead = 0x1;

/** A device over `gpu`, which must have the adapter's own limits to use all of its memory. */
export function openWebgpu(gpu: GPUDevice, options: WebgpuOptions = {}): WebgpuDevice {
  const { limits } = gpu;
  const info = gpu.adapterInfo;
  const bufferBytes = aligned(Math.min(limits.maxBufferSize, options.bufferBytes ?? limits.maxBufferSize));
  const pageBytes = aligned(
    Math.min(
      bufferBytes,
      limits.maxStorageBufferBindingSize,
      options.bindingBytes ?? 2 ** 32,
      2 ** 32 - alignment,
    ),
  );
  const maxBindings = options.bindings ?? limits.maxStorageBuffersPerShaderStage;
  const variants = options.variants ?? usualVariants(isSoftware(info));
  const choices = {
    variants,
    maxWorkgroups: limits.maxComputeWorkgroupsPerDimension,
  };
  const queue = new WorkQueue(gpu);
  const prepared = new Set<WeakRef<WebgpuPrepared>>();
  const numbers = new WeakMap<GPUBuffer, number>();
  let nextNumber = 0;
  const { memoryBytes = Number.POSITIVE_INFINITY } = options;
  const memory = new Memory(gpu, queue, { bufferBytes, pageBytes, memoryBytes }, (buffer) => {
    // Groups that bind it would keep it alive.
    const key = `${numbers.get(buffer)}@`;
    for (const one of prepared) {
      const plan = one.deref();
      if (!plan) prepared.delete(one);
      for (const { groups } of plan?.dispatches ?? [])
        for (const name of groups.keys()) if (` ${name}`.includes(` ${key}`)) groups.delete(name);
    }
  });
  const pipelines = new Map<string, { pipeline: GPUComputePipeline; layout: GPUBindGroupLayout }>();
  const layouts = new Map<string, GPUBindGroupLayout>();
  const arena: GPUBuffer[] = [];
  let submits = 0;

  const numberOf = (buffer: GPUBuffer): number => {
    let found = numbers.get(buffer);
    if (found === undefined) {
      found = nextNumber++;
      numbers.set(buffer, found);
    }
    return found;
  };

  function layoutOf(storages: number, usesScalars: boolean): GPUBindGroupLayout {
    const key = `${storages} ${usesScalars}`;
    let found = layouts.get(key);
    if (!found) {
      const entries: GPUBindGroupLayoutEntry[] = Array.from({ length: storages }, (_, binding) => ({
        binding,
        visibility: computeStage,
        buffer: { type: "storage" },
      }));
      if (usesScalars)
        entries.push({ binding: storages, visibility: computeStage, buffer: { type: "uniform" } });
      found = gpu.createBindGroupLayout({ entries });
      layouts.set(key, found);
    }
    return found;
  }

  function pipelineOf(code: string, layout: GPUBindGroupLayout): GPUComputePipeline {
    let found = pipelines.get(code);
    if (!found) {
      const module = gpu.createShaderModule({ code });
      const pipeline = gpu.createComputePipeline({
        layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: "main" },
      });
      found = { pipeline, layout };
      pipelines.set(code, found);
    }
    return found.pipeline;
  }

  /** Pages for `bytes` of arena; what lies there does not outlive a run. */
  function growArena(bytes: number): void {
    for (let page = 0, start = 0; start < bytes; page++, start += pageBytes) {
      const wanted = Math.min(pageBytes, bytes - start);
      const old = arena[page];
      if (old && old.size >= wanted && !memory.isMissing(old)) continue;
      const size = Math.ceil(wanted / alignment) * alignment;
      if (old) memory.destroy(old);
      arena[page] = memory.create(size);
    }
  }

  function resourceOf(
    range: Range,
    bindings: readonly Binding[],
  ): { gpu: GPUBuffer; offset: number; size: number } {
    if (range.buffer === 0) {
      const page = arena[range.index]!;
      return { gpu: page, offset: 0, size: Math.min(page.size, pageBytes) };
    }
    const { buffer, byteOffset } = bindings[range.buffer - 1]!;
    // One, since a binding that lies in several GPU buffers begins with the first, and ranges are their pages.
    const [part] = partsOf(buffer as WebgpuBuffer, byteOffset + range.byteOffset, range.byteLength);
    return { gpu: part!.gpu, offset: part!.offset, size: range.byteLength };
  }

  function groupOf(
    dispatch: Dispatch,
    bindings: readonly Binding[],
    scalars: GPUBuffer | null,
  ): GPUBindGroup {
    const resources = dispatch.ranges.map((range) => resourceOf(range, bindings));
    const key = resources.map(({ gpu: from, offset }) => `${numberOf(from)}@${offset}`).join(" ");
    let found = dispatch.groups.get(key);
    if (!found) {
      const entries: GPUBindGroupEntry[] = resources.map(({ gpu: buffer, offset, size }, binding) => ({
        binding,
        resource: { buffer, offset, size },
      }));
      if (dispatch.usesScalars) entries.push({ binding: resources.length, resource: { buffer: scalars! } });
      found = gpu.createBindGroup({ layout: dispatch.layout, entries });
      dispatch.groups.set(key, found);
      if (dispatch.groups.size > keptGroups) dispatch.groups.delete(dispatch.groups.keys().next().value!);
    }
    return found;
  }

  /** Throws an OutOfMemoryError where there was no memory for something that a run needs. */
  function requireMemory(plan: WebgpuPrepared, bindings: readonly Binding[]): void {
    for (let page = 0; page * pageBytes < plan.arenaBytes; page++) memory.ensure(arena[page]!);
    for (const { buffer } of bindings) for (const { gpu } of slotsOf(buffer)) memory.ensure(gpu);
    if (plan.scalars) memory.ensure(plan.scalars);
  }

  function submit(commands: GPUCommandEncoder): void {
    gpu.queue.submit([commands.finish()]);
    submits++;
  }

  return {
    name: "webgpu",
    description: `WebGPU on ${describe(info)}`,
    traits: { channelsLast: false, maxSharedBytes: bufferBytes },
    variants,
    get counts() {
      return { submits, buffers: memory.count, bytes: memory.bytes };
    },
    get memoryBytes() {
      return memory.bytes;
    },
    allocate: (bytes) => memory.allocate(bytes),
    free: (buffer) => memory.free(buffer as WebgpuBuffer),
    write(buffer, byteOffset, bytes) {
      const whole = wholeWords(bytes, byteOffset, buffer, queue.isWaiting);
      for (const { gpu: to, offset, from, bytes } of partsOf(
        buffer as WebgpuBuffer,
        byteOffset,
        whole.length,
      ))
        queue.enqueue(() => {
          if (!memory.isMissing(to)) gpu.queue.writeBuffer(to, offset, whole, from, bytes);
        });
    },
    async read(buffer, byteOffset, byteLength) {
      if (byteLength === 0) return new Uint8Array(0);
      const first = Math.floor(byteOffset / 4) * 4;
      const words = Math.ceil((byteOffset + byteLength - first) / 4) * 4;
      const parts = partsOf(buffer as WebgpuBuffer, first, words, memory.stagingBytes).map((part) => ({
        ...part,
        staging: memory.takeStaging(part.bytes),
      }));
      let mapped: Promise<unknown> | undefined;
      await queue.run(() => {
        for (const { gpu: from, staging } of parts) {
          memory.ensure(from);
          memory.ensure(staging);
        }
        const commands = gpu.createCommandEncoder();
        for (const { gpu: from, offset, bytes, staging } of parts)
          commands.copyBufferToBuffer(from, offset, staging, 0, bytes);
        submit(commands);
        mapped = Promise.all(parts.map(({ staging, bytes }) => staging.mapAsync(mapToRead, 0, bytes)));
        // The run's own promise tells of a lost GPU.
        mapped.catch(() => {});
      });
      await mapped;
      const copy = new Uint8Array(words);
      for (const { from, bytes, staging } of parts) {
        copy.set(new Uint8Array(staging.getMappedRange(0, bytes)), from);
        staging.unmap();
        memory.returnStaging(staging);
      }
      return words === byteLength ? copy : copy.slice(byteOffset - first, byteOffset - first + byteLength);
    },
    prepare(plan) {
      const layout = new Layout(plan, pageBytes);
      const dispatches = plan.steps
        .flatMap((step) =>
          launchesOf(step, layout, maxBindings, variants.convolution).map((launch) =>
            shaderOf(launch, layout, choices),
          ),
        )
        .map(({ code, ranges, usesScalars, workgroups }): Dispatch => {
          const groupLayout = layoutOf(ranges.length, usesScalars);
          const pipeline = pipelineOf(code, groupLayout);
          return { pipeline, layout: groupLayout, ranges, usesScalars, workgroups, groups: new Map() };
        });
      const made: WebgpuPrepared = { plan, dispatches, arenaBytes: layout.arenaBytes, scalars: null };
      prepared.add(new WeakRef(made));
      return made;
    },
    run(plan, bindings, scalars) {
      const one = plan as WebgpuPrepared;
      // Held until it is queued, so that the collector takes none of its buffers before.
      const held = [...bindings];
      const words = scalarWords(one.plan, scalars);
      if (one.scalars && memory.isMissing(one.scalars)) one.scalars = null;
      if (words.length > 0) one.scalars ??= memory.createUniform(words.byteLength);
      queue.enqueue(() => growArena(one.arenaBytes));
      return queue.run(() => {
        requireMemory(one, held);
        if (one.scalars) gpu.queue.writeBuffer(one.scalars, 0, words);
        const commands = gpu.createCommandEncoder();
        const pass = commands.beginComputePass();
        for (const dispatch of one.dispatches) {
          pass.setPipeline(dispatch.pipeline);
          pass.setBindGroup(0, groupOf(dispatch, held, one.scalars));
          pass.dispatchWorkgroups(...dispatch.workgroups);
        }
        pass.end();
        submit(commands);
      });
    },
  };
}

function slotsOf(buffer: DeviceBuffer): WebgpuBuffer["slots"] {
  return (buffer as WebgpuBuffer).slots;
}

/** The largest multiple of the alignment that is no larger. */
function aligned(bytes: number): number {
  return Math.floor(bytes / alignment) * alignment;
}

/** Whether an adapter computes on the processor; not every runtime marks those that do. */
export function isSoftware({
  isFallbackAdapter,
  description,
  device,
  architecture,
}: GPUAdapterInfo): boolean {
  return (
    isFallbackAdapter ||
    /swiftshader|llvmpipe|lavapipe|softpipe|basic render/i.test(`${description} ${device} ${architecture}`)
  );
}

/** A sentence's worth of what an adapter says of itself. */
export function describe(info: GPUAdapterInfo): string {
  const names = [info.description, info.device, info.architecture, info.vendor].filter((one) => one !== "");
  return `${names[0] ?? "an adapter that does not say its name"}${isSoftware(info) ? " (a software adapter, slower than the CPU device)" : ""}`;
}

/** GPU writes go by words of four bytes: the last word is filled with zeros, where nothing else lies in it. */
function wholeWords(
  bytes: Uint8Array,
  byteOffset: number,
  buffer: DeviceBuffer,
  mustCopy: boolean,
): Uint8Array<ArrayBuffer> {
  const isWhole = bytes.length % 4 === 0;
  if (byteOffset % 4 !== 0 || (!isWhole && byteOffset + bytes.length < buffer.byteLength))
    throw new RangeError(
      `webgpu: cannot write ${bytes.length} bytes at ${byteOffset} of a buffer of ${buffer.byteLength}: writes go by words of 4 bytes`,
    );
  if (isWhole && !mustCopy) return bytes as Uint8Array<ArrayBuffer>;
  const copy = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  copy.set(bytes);
  return copy;
}

/** The scalars as the shaders read them: rows of four words. */
function scalarWords({ scalars: types }: Plan, scalars: readonly number[]): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(types.length / 4) * 4);
  const floats = new Float32Array(words.buffer);
  types.forEach((type, i) => {
    if (type === "f32") floats[i] = scalars[i]!;
    else words[i] = scalars[i]!;
  });
  return words;
}
