export { type AdamOptions, adam, adamw } from "./adam.js";
export { clipGradNorm } from "./clip.js";
export { type Hyperparameters, Optimizer, type OptimizerRecipe } from "./optimizer.js";
export {
  cosineAnnealingLr,
  type EpochFigures,
  linearLr,
  oneCycleLr,
  reduceLrOnPlateau,
  type Schedule,
  type ScheduleRecipe,
  sequentialLr,
  stepLr,
  warmupCosine,
} from "./schedule.js";
export { type SgdOptions, sgd } from "./sgd.js";
