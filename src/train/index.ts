export * from "./portable.js";
export { type CheckpointOptions, type TrainOptions, train } from "./train.js";
export { loadWeights, saveWeights } from "./weights_file.js";
