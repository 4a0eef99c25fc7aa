export { connectMpi, type MpiOptions } from "../distributed/mpi.js";
export * from "./portable.js";
export { type CheckpointOptions, type TrainOptions, train } from "./train.js";
export { loadWeights, saveWeights } from "./weights_file.js";
