import { type Device, openDevice, tryGpu } from "flybrick";
import type { State } from "./state.js";

/** A device, and why it is not the one that was asked for, if it is not. */
export interface Opened {
  readonly device: Device;
  readonly standIn?: string;
}

/** Each kind of device is opened once. */
const opened = new Map<State["device"], Promise<Opened>>([["auto", tryGpu().then(plain)]]);

function plain(device: Device): Opened {
  return { device, ...(device.standIn && { standIn: device.standIn }) };
}

/** The device of a name; what "auto" takes where WebGPU is asked for and cannot be had. */
export function deviceOf(name: State["device"]): Promise<Opened> {
  const found = opened.get(name) ?? open(name);
  opened.set(name, found);
  // A device that could not be had may be there later.
  found.catch(() => opened.delete(name));
  return found;
}

async function open(name: State["device"]): Promise<Opened> {
  try {
    return plain(await openDevice(name));
  } catch (error) {
    if (name !== "webgpu") throw error;
    const { device } = await deviceOf("auto");
    opened.delete(name);
    return { device, standIn: (error as Error).message };
  }
}

/** A device that is lost is opened anew when it is next asked for. */
export function forgetDevices(): void {
  opened.clear();
}
