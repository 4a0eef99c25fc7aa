import { UserError } from "../core/errors.js";
import type { Device } from "./device.js";
import type { DeviceReport } from "./open.js";
import { openReference } from "./reference/reference.js";

export type { DeviceReport };

/** What a page can open, in the order in which "auto" tries them. */
const openers = {
  reference: async () => openReference(),
} satisfies Record<string, () => Promise<Device>>;

export type DeviceName = "auto" | keyof typeof openers;

/** Opens a device; "auto" takes the best that works. Throws a UserError that says what to do where a named device cannot be had. */
export async function openDevice(name: DeviceName = "auto"): Promise<Device> {
  if (name !== "auto") {
    if (Object.hasOwn(openers, name)) return openers[name]();
    const names = ["auto", ...Object.keys(openers)].join(", ");
    throw new UserError(
      `there is no device named ${JSON.stringify(name)} in a browser; choose one of ${names}`,
    );
  }
  const reasons: string[] = [];
  for (const [tried, open] of Object.entries(openers)) {
    try {
      const device = await open();
      return reasons.length === 0
        ? device
        : { ...device, description: [device.description, ...reasons].join("; ") };
    } catch (error) {
      reasons.push(`the device ${tried} cannot be used: ${(error as Error).message}`);
    }
  }
  throw new UserError(reasons.join("; "));
}

/** Every device, in the order "auto" tries them, with what it is or why it cannot be used. */
export async function devices(): Promise<DeviceReport[]> {
  const reports: DeviceReport[] = [];
  for (const [name, open] of Object.entries(openers)) {
    try {
      const { description } = await open();
      reports.push({ name, available: true, isAutomatic: true, description, details: [] });
    } catch (error) {
      const { message } = error as Error;
      reports.push({ name, available: false, isAutomatic: false, description: message, details: [] });
    }
  }
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
