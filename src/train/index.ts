export { type Evaluation, evaluate as evaluateModel } from "./evaluate.js";
export { decodeSafetensors, encodeSafetensors } from "./safetensors.js";
export {
  DivergedError,
  type EpochResult,
  type Progress,
  type TrainOptions,
  type TrainResult,
  train,
} from "./train.js";
export { loadWeights, saveWeights } from "./weights.js";
