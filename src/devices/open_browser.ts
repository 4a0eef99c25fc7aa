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
import type { WasmFiles } from "./wasm/page.js";
import { globalGpu } from "./webgpu/global.js";
import type { VariantOption } from "./webgpu/variants.js";

export type { DeviceReport, WasmFiles };

type Named = "webgpu" | "wasm" | "reference";
export type DeviceName = "auto" | Named;

export interface DeviceOptions {
  /** Threads of WebAssembly. If left out, as many as the processor has where the page is cross-origin isolated, else 1. */
  readonly threads?: number;
  /** How WebAssembly and WebGPU compute convolutions; `auto`, the fastest, if left out. */
  readonly convolution?: ConvolutionAlgorithm;
  /** Where WebAssembly's files lie, unless a bundler sees to it. */
  readonly wasm?: WasmFiles;
  /**
   * How WebGPU's kernels are cut up: `auto` (if left out), the fastest by a measurement at the adapter's first use, which
   * software adapters are spared; `measure` measures anew; a name, or what another device's `variants` says, pins them.
   */
  readonly variant?: VariantOption;
}

/** Where there is no GPU, in the order "auto" tries them; the last one always opens. */
const processors: Record<Exclude<Named, "webgpu">, (options: DeviceOptions) => Promise<Device>> = {
  wasm: async (options) => (await import("./wasm/page.js")).openWasmInPage(options),
  reference: async () => openReference(),
};

/** What WebGPU the page or worker has. */
const gpuSource: GpuSource = {
  async find() {
    const gpu = globalGpu();
    if (!gpu)
      throw new UserError(
        "this page has no WebGPU: the browser lacks it, or the page comes neither by https nor from localhost",
      );
    return { gpu, adapter: await (await import("./webgpu/adapter.js")).requestAdapter(gpu) };
  },
  store: async () => (await import("./webgpu/tuning_database.js")).tuningDatabase(),
};

/** Forgets which of WebGPU's kernels were measured to be fastest; returns where that was kept. */
export function clearTuning(): Promise<string> {
  return clearStore(gpuSource);
}

/**
 * Opens a device; "auto" takes a GPU if there is a real one, else WebAssembly, else the reference device, which always
 * works and says in `standIn` why it was taken. Throws a UserError that says what to do where a named device cannot be had.
 */
export async function openDevice(name: DeviceName = "auto", options: DeviceOptions = {}): Promise<Device> {
  const names = ["auto", "webgpu", ...Object.keys(processors)];
  if (!names.includes(name))
    throw new UserError(
      `there is no device named ${JSON.stringify(name)} in a browser; choose one of ${names.join(", ")}`,
    );
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
 * A GPU if there is one, else the best device without (as in the notebook's `try_gpu`). The same one at every call, and
 * the one in use unless told otherwise: what was computed before lies on it.
 */
export function tryGpu(): Promise<Device> {
  best ??= openDevice("auto");
  return best;
}
