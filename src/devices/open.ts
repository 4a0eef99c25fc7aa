import { UserError } from "../core/errors.js";
import type { ConvolutionAlgorithm, Device } from "./device.js";
import { openReference } from "./reference/reference.js";

/** What a device may be asked for by. */
export const deviceNames = ["auto", "cpu", "wasm", "reference"] as const;
export type DeviceName = (typeof deviceNames)[number];

export interface DeviceOptions {
  /** Threads of the CPU device and of WebAssembly; as many as the process may use if left out. */
  threads?: number;
  /** How these two compute convolutions; `auto`, the fastest, if left out. */
  convolution?: ConvolutionAlgorithm;
}

/** What a device is, or why it cannot be used. */
export interface DeviceReport {
  readonly name: string;
  readonly available: boolean;
  /** What it is, or why not and what would help. */
  readonly description: string;
}

type Named = Exclude<DeviceName, "auto">;

/** In the order "auto" tries them, fastest first; the last one always opens. */
const openers: Record<Named, (options: DeviceOptions) => Promise<Device>> = {
  cpu: async (options) => (await import("./cpu/cpu.js")).openCpu(options),
  wasm: async (options) => (await import("./wasm/node.js")).openWasmInNode(options),
  reference: async () => openReference(),
};
const names = Object.keys(openers) as Named[];

/**
 * Opens a device; "auto" takes the first of `cpu`, `wasm` and `reference` that can be had, and says in `standIn` why it
 * is not the first. Throws a UserError that says what to do where a named device cannot be had.
 */
export async function openDevice(name: DeviceName = "auto", options: DeviceOptions = {}): Promise<Device> {
  if (name !== "auto" && !names.includes(name)) {
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
  if (name !== "auto") return openers[name](options);
  const reasons: string[] = [];
  for (const one of names) {
    try {
      const device = await openers[one](options);
      if (reasons.length === 0) return device;
      return { ...device, standIn: `The device "${one}" stands in, since ${reasons.join("\nand ")}` };
    } catch (error) {
      if (one === "reference") throw error;
      reasons.push((error as Error).message);
    }
  }
  throw new Error("unreachable: the reference device always opens");
}

/** Every device, in the order "auto" tries them, with what it is or why it cannot be used. */
export async function devices(options: DeviceOptions = {}): Promise<DeviceReport[]> {
  return Promise.all(
    names.map(async (name) => {
      try {
        return { name, available: true, description: (await openers[name](options)).description };
      } catch (error) {
        return { name, available: false, description: (error as Error).message };
      }
    }),
  );
}

let best: Promise<Device> | undefined;

/**
 * A GPU if there is one, else the best device without (as in the notebook's `try_gpu`). This version drives no GPU yet.
 * The same one at every call, and the one in use unless told otherwise: what was computed before lies on it.
 */
export function tryGpu(): Promise<Device> {
  best ??= openDevice("auto");
  return best;
}
