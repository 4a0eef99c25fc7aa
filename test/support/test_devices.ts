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
 * The reference and the CPU device, which every suite runs on, or all devices: the suites that hold operations, plans and
 * training to PyTorch. Where CI sets FLYBRICK_REQUIRE_DEVICES, a missing one is a failure.
 */
export async function testDevices({ all = false } = {}): Promise<[string, Device][]> {
  if (all) useSwiftShader();
  const found: [string, Device][] = [];
  for (const name of all
    ? (["reference", "wasm", "cpu", "webgpu"] as const)
    : (["reference", "cpu"] as const)) {
    try {
      found.push([name, await openDevice(name, name === "reference" ? {} : { threads: 2 })]);
    } catch (error) {
      if (process.env.FLYBRICK_REQUIRE_DEVICES) throw error;
      console.warn(`not tested: ${(error as Error).message}`);
    }
  }
  return found;
}
