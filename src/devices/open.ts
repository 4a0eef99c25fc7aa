import { UserError } from "../core/errors.js";
import {
  clearStore,
  type GpuSource,
  openFirst,
  openGpu,
  openRealGpu,
  reportDevices,
  requireThreads,
} from "./choose.js";
import type { ConvolutionAlgorithm, Device, DeviceReport } from "./device.js";
import { openReference } from "./reference/reference.js";
import { globalGpu } from "./webgpu/global.js";
import type { VariantOption } from "./webgpu/variants.js";

export { variantOptions } from "./webgpu/variants.js";

export type { DeviceReport };

/** What a device may be asked for by. */
export const deviceNames = ["auto", "webgpu", "cpu", "wasm", "reference"] as const;
export type DeviceName = (typeof deviceNames)[number];

export interface DeviceOptions {
  /** Threads of the CPU device and of WebAssembly; as many as the process may use if left out. */
  threads?: number;
  /** How they compute convolutions, WebGPU too; `auto`, the fastest, if left out. */
  convolution?: ConvolutionAlgorithm;
  /**
   * How WebGPU's kernels are cut up: `auto` (if left out), the fastest by a measurement at the adapter's first use, which
   * software adapters are spared; `measure` measures anew; a name, or what another device's `variants` says, pins them.
   */
  variant?: VariantOption;
}

type Processor = "cpu" | "wasm" | "reference";

/** Where there is no GPU, in the order "auto" tries them, fastest first; the last one always opens. */
const processors: Record<Processor, (options: DeviceOptions) => Promise<Device>> = {
  cpu: async (options) => (await import("./cpu/cpu.js")).openCpu(options),
  wasm: async (options) => (await import("./wasm/node.js")).openWasmInNode(options),
  reference: async () => openReference(),
};

/** What WebGPU has here, in browsers or in Node. */
const gpuSource: GpuSource = {
  async find() {
    const gpu = globalGpu() ?? (await (await import("./webgpu/node.js")).nodeGpu());
    return { gpu, adapter: await (await import("./webgpu/adapter.js")).requestAdapter(gpu) };
  },
  store: async () => (await import("./webgpu/tuning_file.js")).tuningFile(),
};

/** Forgets which of WebGPU's kernels were measured to be fastest; returns where that was kept. */
export function clearTuning(): Promise<string> {
  return clearStore(gpuSource);
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
  requireThreads(options.threads);
  if (name === "webgpu") return openGpu(gpuSource, options);
  if (name !== "auto") return processors[name](options);
  return (await openRealGpu(gpuSource, options)) ?? openFirst(processors, options);
}

/** Every device, in the order "auto" tries them, with what it is or why it cannot be used. */
export function devices(options: DeviceOptions = {}): Promise<DeviceReport[]> {
  return reportDevices(gpuSource, processors, options);
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
