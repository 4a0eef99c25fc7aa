export { type AdamOptions, adam, adamw } from "./adam.js";
export { clipGradNorm } from "./clip.js";
export { Optimizer, type OptimizerRecipe } from "./optimizer.js";
export {
  cosineAnnealingLr,
  linearLr,
  type Schedule,
  type ScheduleRecipe,
  sequentialLr,
  stepLr,
  warmupCosine,
} from "./schedule.js";
export { type SgdOptions, sgd } from "./sgd.js";
