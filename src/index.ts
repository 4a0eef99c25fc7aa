import { tryGpu } from "./devices/open.js";
import { hasDevice, useDevice } from "./tensor/evaluate.js";

export * as classic from "./classic/index.js";
export * as data from "./data/index.js";
export {
  Classifier,
  type ClassifierOptions,
  exportOnnx,
  type ImageInput,
  type PredictOptions,
} from "./deploy/index.js";
export {
  clearTuning,
  type DeviceName,
  type DeviceOptions,
  type DeviceReport,
  devices,
  openDevice,
  tryGpu,
} from "./devices/open.js";
export * from "./portable.js";
export * from "./train/index.js";

// The command line chooses its own before a user's model file imports this.
if (!hasDevice()) useDevice(await tryGpu());
