import { UserError } from "../core/errors.js";
import type { ConvolutionAlgorithm, Device } from "./device.js";
import { openReference } from "./reference/reference.js";
import { globalGpu } from "./webgpu/global.js";
import type { VariantOption } from "./webgpu/variants.js";

export { variantOptions } from "./webgpu/variants.js";

/** What a device may be asked for by. */
export const deviceNames = ["auto", "webgpu", "cpu", "wasm", "reference"] as const;
export type DeviceName = (typeof deviceNames)[number];

export interface DeviceOptions {
  /** Threads of the CPU device and of WebAssembly; as many as the process may use if left out. */
  threads?: number;
  /** How these two compute convolutions; `auto`, the fastest, if left out. */
  convolution?: ConvolutionAlgorithm;
  /**
   * How WebGPU's kernels are cut up: `auto` (if left out), the fastest by a measurement at the adapter's first use, which
   * software adapters are spared; `measure` measures anew; a name, or what another device's `variants` says, pins them.
   */
  variant?: VariantOption;
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

type Processor = "cpu" | "wasm" | "reference";

/** Where there is no GPU, in the order "auto" tries them, fastest first; the last one always opens. */
const processors: Record<Processor, (options: DeviceOptions) => Promise<Device>> = {
  cpu: async (options) => (await import("./cpu/cpu.js")).openCpu(options),
  wasm: async (options) => (await import("./wasm/node.js")).openWasmInNode(options),
  reference: async () => openReference(),
};

/** The adapter that WebGPU has here, in browsers or in Node. Throws a UserError that says what is missing. */
async function findAdapter(): Promise<[GPU, GPUAdapter]> {
  // The device itself is loaded once there is something for it.
  const gpu = globalGpu() ?? (await (await import("./webgpu/node.js")).nodeGpu());
  return [gpu, await (await import("./webgpu/adapter.js")).requestAdapter(gpu)];
}

async function openTuned(gpu: GPU, adapter: GPUAdapter, { variant }: DeviceOptions): Promise<Device> {
  const { tuningFile } = await import("./webgpu/tuning_file.js");
  return (await import("./webgpu/adapter.js")).openTuned(gpu, adapter, tuningFile(), variant);
}

/** Forgets which of WebGPU's kernels were measured to be fastest; returns where that was kept. */
export async function clearTuning(): Promise<string> {
  const { tuningFile } = await import("./webgpu/tuning_file.js");
  const store = tuningFile();
  await store.clear();
  return store.place;
}

async function isReal(adapter: GPUAdapter): Promise<boolean> {
  return !(await import("./webgpu/webgpu.js")).isSoftware(adapter.info);
}

/** The GPU, where there is a real one: a software adapter is slower than the CPU device. */
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
 * Opens a device; "auto" takes a GPU if there is a real one, else the first of `cpu`, `wasm` and `reference` that can be
 * had, and says in `standIn` why it is not the first of these. Throws a UserError that says what to do where a named device
 * cannot be had.
 */
export async function openDevice(name: DeviceName = "auto", options: DeviceOptions = {}): Promise<Device> {
  if (!deviceNames.includes(name)) {
    throw new UserError(
      `there is no device named ${JSON.stringify(name)}; choose one of ${deviceNames.join(", ")}`,
    );
  }
  if (
    options.threads !== undefined &&
    (!Number.isInteger(options.threads) || options.threads < 1 || options.threads > 1024)
  ) {
    throw new UserError(`threads is ${options.threads}; give a whole number from 1 to 1024`);
  }
  if (name === "webgpu") return openTuned(...(await findAdapter()), options);
  if (name !== "auto") return processors[name](options);
  return (await openRealGpu(options)) ?? openProcessor(options);
}

async function openProcessor(options: DeviceOptions): Promise<Device> {
  const reasons: string[] = [];
  for (const [name, open] of Object.entries(processors)) {
    try {
      const device = await open(options);
      if (reasons.length === 0) return device;
      return { ...device, standIn: `The device "${name}" stands in, since ${reasons.join("\nand ")}` };
    } catch (error) {
      if (name === "reference") throw error;
      reasons.push((error as Error).message);
    }
  }
  throw new Error("unreachable: the reference device always opens");
}

/** Every device, in the order "auto" tries them, with what it is or why it cannot be used. */
export async function devices(options: DeviceOptions = {}): Promise<DeviceReport[]> {
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
      const [, adapter] = await findAdapter();
      const { detailsOf, openAdapter } = await import("./webgpu/adapter.js");
      const { description } = await openAdapter(adapter);
      return { description, isAutomatic: await isReal(adapter), details: detailsOf(adapter) };
    }),
    ...Object.entries(processors).map(([name, open]) =>
      attempt(name, async () => ({ description: (await open(options)).description })),
    ),
  ]);
}

let best: Promise<Device> | undefined;

/**
 * A GPU if there is a real one, else the best device without (as in the notebook's `try_gpu`). The same one at every
 * call, and the one in use unless told otherwise: what was computed before lies on it.
 */
export function tryGpu(): Promise<Device> {
  best ??= openDevice("auto");
  return best;
}
