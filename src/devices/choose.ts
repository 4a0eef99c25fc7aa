import { UserError } from "../core/errors.js";
import type { Device, DeviceReport } from "./device.js";
import type { KernelOptions } from "./webgpu/adapter.js";
import type { TuningStore } from "./webgpu/tuning.js";

/** Ways to open devices, in the order they are tried. */
export type Openers<Options> = Readonly<Record<string, (options: Options) => Promise<Device>>>;

/** Where WebGPU comes from, and where what was measured on its adapters is kept. */
export interface GpuSource {
  /** Throws a UserError that says what is missing. */
  find(): Promise<{ gpu: GPU; adapter: GPUAdapter }>;
  store(): Promise<TuningStore>;
}

/** Throws a UserError unless it is left out or a whole number from 1 to 1024. */
export function requireThreads(threads: number | undefined): void {
  if (threads !== undefined && (!Number.isInteger(threads) || threads < 1 || threads > 1024))
    throw new UserError(`threads is ${threads}; give a whole number from 1 to 1024`);
}

/** A device on the adapter that is found; the device's code is loaded once there is something for it. */
export async function openGpu(source: GpuSource, options?: KernelOptions): Promise<Device> {
  const { gpu, adapter } = await source.find();
  return (await import("./webgpu/adapter.js")).openTuned(gpu, adapter, await source.store(), options);
}

/** The GPU, where there is a real one: a software adapter is slower than a processor's own devices. */
export async function openRealGpu(source: GpuSource, options?: KernelOptions): Promise<Device | null> {
  try {
    const found = await source.find();
    const one: GpuSource = { ...source, find: async () => found };
    return (await isReal(found.adapter)) ? await openGpu(one, options) : null;
  } catch {
    // `devices` says why.
    return null;
  }
}

/** Forgets which of WebGPU's kernels were measured to be fastest; returns where that was kept. */
export async function clearStore({ store }: GpuSource): Promise<string> {
  const found = await store();
  await found.clear();
  return found.place;
}

async function isReal(adapter: GPUAdapter): Promise<boolean> {
  return !(await import("./webgpu/webgpu.js")).isSoftware(adapter.info);
}

/** The first that opens. It says in `standIn` why it is not the first of all; the last one's error is thrown. */
export async function openFirst<Options>(openers: Openers<Options>, options: Options): Promise<Device> {
  const reasons: string[] = [];
  const last = Object.keys(openers).at(-1);
  for (const [name, open] of Object.entries(openers)) {
    try {
      const device = await open(options);
      if (reasons.length === 0) return device;
      return { ...device, standIn: `The device "${name}" stands in, since ${reasons.join("\nand ")}` };
    } catch (error) {
      if (name === last) throw error;
      reasons.push((error as Error).message);
    }
  }
  throw new Error("unreachable: there is a last one");
}

/** What the adapter that is found is, then each of the others, or why they cannot be used. */
export async function reportDevices<Options>(
  source: GpuSource,
  openers: Openers<Options>,
  options: Options,
): Promise<DeviceReport[]> {
  const attempt = async (
    name: string,
    look: () => Promise<Pick<DeviceReport, "description"> & Partial<DeviceReport>>,
  ): Promise<DeviceReport> => {
    const plain = { name, isAutomatic: true, details: [] };
    try {
      return { ...plain, available: true, ...(await look()) };
    } catch (error) {
      return { ...plain, available: false, isAutomatic: false, description: (error as Error).message };
    }
  };
  return Promise.all([
    attempt("webgpu", async () => {
      const { adapter } = await source.find();
      const { detailsOf, openAdapter } = await import("./webgpu/adapter.js");
      const isAutomatic = await isReal(adapter);
      const details = detailsOf(adapter);
      // Not measured: nobody computes on it yet.
      const { description } = await openAdapter(adapter);
      return { description, isAutomatic, details };
    }),
    ...Object.entries(openers).map(([name, open]) =>
      attempt(name, async () => ({ description: (await open(options)).description })),
    ),
  ]);
}
