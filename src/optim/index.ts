export { type AdamOptions, adam, adamw } from "./adam.js";
export { Optimizer, type OptimizerRecipe } from "./optimizer.js";
export { type SgdOptions, sgd } from "./sgd.js";
