export type { ProcessGroup } from "../distributed/process_group.js";
export { RankLostError } from "../distributed/rank_lost.js";
export type {
  CheckpointEvent,
  EpochResult,
  Progress,
  ResumeEvent,
  StepEvent,
  TrainCallbacks,
} from "./callbacks.js";
export { type Evaluation, evaluate as evaluateModel } from "./evaluate.js";
export type { ExchangeFigures } from "./exchange.js";
export { type Glimpse, type GlimpseOptions, glimpse, judge, type Results } from "./inspection.js";
export {
  augmentationOf,
  type InitializerName,
  type OptimizerName,
  type RecipeName,
  type RecipeSettings,
  recipeOptions,
  recipes,
  type ScheduleName,
} from "./recipes.js";
export { decodeSafetensors, encodeSafetensors } from "./safetensors.js";
export { layerStatistics } from "./statistics.js";
export { DivergedError, type TrainResult } from "./training_loop.js";
export { decodeWeights, encodeWeights } from "./weights.js";
