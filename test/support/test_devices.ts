import type { Device } from "../../src/devices/device.js";
import { openDevice } from "../../src/devices/open.js";

/** Devices that every suite runs on. Where CI sets FLYBRICK_REQUIRE_DEVICES, a missing one is a failure. */
export async function testDevices(): Promise<[string, Device][]> {
  const found: [string, Device][] = [];
  for (const name of ["reference", "wasm", "cpu"] as const) {
    try {
      found.push([name, await openDevice(name, name === "reference" ? {} : { threads: 2 })]);
    } catch (error) {
      if (process.env.FLYBRICK_REQUIRE_DEVICES) throw error;
      console.warn(`not tested: ${(error as Error).message}`);
    }
  }
  return found;
}
