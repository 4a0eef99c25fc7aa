import { tryGpu } from "./devices/open_browser.js";
import { hasDevice, useDevice } from "./tensor/evaluate.js";

export * as classic from "./classic/portable.js";
export * as data from "./data/browser.js";
export {
  clearTuning,
  type DeviceName,
  type DeviceOptions,
  type DeviceReport,
  devices,
  openDevice,
  tryGpu,
  type WasmFiles,
} from "./devices/open_browser.js";
export * from "./portable.js";
export * from "./train/browser.js";

if (!hasDevice()) useDevice(await tryGpu());
