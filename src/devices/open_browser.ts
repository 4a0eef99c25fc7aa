import { UserError } from "../core/errors.js";
import type { Device } from "./device.js";
import type { DeviceReport } from "./open.js";
import { openReference } from "./reference/reference.js";
import { globalGpu } from "./webgpu/global.js";
import type { VariantOption } from "./webgpu/variants.js";

export type { DeviceReport };

/** The page's or worker's adapter. Throws a UserError that says what is missing. */
async function findAdapter(): Promise<[GPU, GPUAdapter]> {
  const gpu = globalGpu();
  if (!gpu)
    throw new UserError(
      "this page has no WebGPU: the browser lacks it, or the page comes neither by https nor from localhost",
    );
  return [gpu, await (await import("./webgpu/adapter.js")).requestAdapter(gpu)];
}

async function openTuned(gpu: GPU, adapter: GPUAdapter, { variant }: DeviceOptions): Promise<Device> {
  const { tuningDatabase } = await import("./webgpu/tuning_database.js");
  return (await import("./webgpu/adapter.js")).openTuned(gpu, adapter, tuningDatabase(), variant);
}

/** Forgets which of WebGPU's kernels were measured to be fastest; returns where that was kept. */
export async function clearTuning(): Promise<string> {
  const { tuningDatabase } = await import("./webgpu/tuning_database.js");
  const store = tuningDatabase();
  await store.clear();
  return store.place;
}

export interface DeviceOptions {
  /**
   * How WebGPU's kernels are cut up: `auto` (if left out), the fastest by a measurement at the adapter's first use, which
   * software adapters are spared; `measure` measures anew; a name, or what another device's `variants` says, pins them.
   */
  variant?: VariantOption;
}

type Named = "webgpu" | "reference";
export type DeviceName = "auto" | Named;

/** What a page can open. Its type names no type of WebGPU's, which users may not have. */
const openers: Record<Named, (options: DeviceOptions) => Promise<Device>> = {
  webgpu: async (options) => openTuned(...(await findAdapter()), options),
  reference: async () => openReference(),
};

/** Whether "auto" takes the adapter: a software one must be named. */
async function isReal(adapter: GPUAdapter): Promise<boolean> {
  return !(await import("./webgpu/webgpu.js")).isSoftware(adapter.info);
}

async function openRealGpu(options: DeviceOptions): Promise<Device | null> {
  try {
    const [gpu, adapter] = await findAdapter();
    return (await isReal(adapter)) ? await openTuned(gpu, adapter, options) : null;
  } catch {
    // `devices` says why.
    return null;
  }
}

/**
 * Opens a device; "auto" takes a GPU if there is a real one, else the reference device, which always works. Throws a
 * UserError that says what to do where a named device cannot be had.
 */
export async function openDevice(name: DeviceName = "auto", options: DeviceOptions = {}): Promise<Device> {
  if (name === "auto") return (await openRealGpu(options)) ?? openers.reference(options);
  if (Object.hasOwn(openers, name)) return openers[name](options);
  const names = ["auto", ...Object.keys(openers)].join(", ");
  throw new UserError(
    `there is no device named ${JSON.stringify(name)} in a browser; choose one of ${names}`,
  );
}

/** Every device, in the order "auto" tries them, with what it is or why it cannot be used. */
export async function devices(): Promise<DeviceReport[]> {
  const { description } = openReference();
  const reference = { name: "reference", available: true, isAutomatic: true, description, details: [] };
  try {
    const [, adapter] = await findAdapter();
    const { detailsOf, openAdapter } = await import("./webgpu/adapter.js");
    const isAutomatic = await isReal(adapter);
    const gpu = (await openAdapter(adapter)).description;
    const details = detailsOf(adapter);
    return [{ name: "webgpu", available: true, isAutomatic, description: gpu, details }, reference];
  } catch (error) {
    const why = (error as Error).message;
    return [
      { name: "webgpu", available: false, isAutomatic: false, description: why, details: [] },
      reference,
    ];
  }
}

let best: Promise<Device> | undefined;

/**
 * A GPU if there is one, else the best device without (as in the notebook's `try_gpu`). The same one at every call, and
 * the one in use unless told otherwise: what was computed before lies on it.
 */
export function tryGpu(): Promise<Device> {
  best ??= openDevice("auto");
  return best;
}
