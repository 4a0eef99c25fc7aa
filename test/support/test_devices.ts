import { existsSync } from "node:fs";
import type { Device } from "../../src/devices/device.js";
import { openDevice } from "../../src/devices/open.js";

/** A GPU in software, from Debian's chromium: correct, and slow where threads wait for each other. */
const swiftShader = "/usr/lib/chromium/vk_swiftshader_icd.json";

/** Lets WebGPU use SwiftShader where it is installed and no other driver is named. */
export function useSwiftShader(): void {
  if (process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES) return;
  if (!existsSync(swiftShader)) return;
  process.env.VK_DRIVER_FILES = swiftShader;
  process.env.VK_ICD_FILENAMES = swiftShader;
}

/**
 * Devices that every suite runs on, WebGPU where it asks for it. Where CI sets FLYBRICK_REQUIRE_DEVICES, a missing one
 * is a failure.
 */
export async function testDevices({ webgpu = false } = {}): Promise<[string, Device][]> {
  if (webgpu) useSwiftShader();
  const found: [string, Device][] = [];
  for (const name of ["reference", "wasm", "cpu", ...(webgpu ? (["webgpu"] as const) : [])] as const) {
    try {
      found.push([name, await openDevice(name, name === "reference" ? {} : { threads: 2 })]);
    } catch (error) {
      if (process.env.FLYBRICK_REQUIRE_DEVICES) throw error;
      console.warn(`not tested: ${(error as Error).message}`);
    }
  }
  return found;
}
