import { UserError } from "../core/errors.js";
import type { ConvolutionAlgorithm, Device } from "./device.js";
import { openReference } from "./reference/reference.js";

export type DeviceName = "auto" | "cpu" | "reference";

export interface DeviceOptions {
  /** Threads of the CPU device; as many as the process may use if left out. */
  threads?: number;
  /** How the CPU device computes convolutions; `auto`, the fastest, if left out. */
  convolution?: ConvolutionAlgorithm;
}

/** What a device is, or why it cannot be used. */
export interface DeviceReport {
  readonly name: string;
  readonly available: boolean;
  /** What it is, or why not and what would help. */
  readonly description: string;
}

async function openCpuDevice(options: DeviceOptions): Promise<Device> {
  const { openCpu } = await import("./cpu/cpu.js");
  return openCpu(options);
}

/**
 * Opens a device; "auto" takes the CPU device and falls back to the reference device, which always works.
 * Throws a UserError that says what to do where a named device cannot be had.
 */
export async function openDevice(name: DeviceName = "auto", options: DeviceOptions = {}): Promise<Device> {
  if (name === "reference") return openReference();
  if (name !== "cpu" && name !== "auto") {
    throw new UserError(
      `there is no device named ${JSON.stringify(name)}; choose one of auto, cpu, reference`,
    );
  }
  if (
    options.threads !== undefined &&
    (!Number.isInteger(options.threads) || options.threads < 1 || options.threads > 1024)
  ) {
    throw new UserError(`threads is ${options.threads}; give a whole number from 1 to 1024`);
  }
  try {
    return await openCpuDevice(options);
  } catch (error) {
    if (name === "cpu") throw error;
    const reference = openReference();
    return {
      ...reference,
      description: `${reference.description}; the CPU device cannot be used: ${(error as Error).message}`,
    };
  }
}

/** Every device, in the order "auto" tries them, with what it is or why it cannot be used. */
export async function devices(options: DeviceOptions = {}): Promise<DeviceReport[]> {
  const reports: DeviceReport[] = [];
  try {
    reports.push({ name: "cpu", available: true, description: (await openCpuDevice(options)).description });
  } catch (error) {
    reports.push({ name: "cpu", available: false, description: (error as Error).message });
  }
  reports.push({ name: "reference", available: true, description: openReference().description });
  return reports;
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
