export { Activation, leakyRelu, relu, sigmoid, tanh } from "./activation.js";
export { Conv2d, type Conv2dLayerOptions, conv2d } from "./conv.js";
export { Dropout, dropout } from "./dropout.js";
export { Flatten, flatten } from "./flatten.js";
export { type Initializer, initialize, kaimingNormal, kaimingUniform, xavierUniform } from "./init.js";
export { Linear, linear } from "./linear.js";
export { Module } from "./module.js";
export {
  BatchNorm2d,
  type BatchNorm2dOptions,
  batchNorm2d,
  LocalResponseNorm,
  type LocalResponseNormOptions,
  localResponseNorm,
} from "./norm.js";
export { avgPool2d, maxPool2d, Pool2d } from "./pool.js";
export { Residual, residual } from "./residual.js";
export { type LayerRow, Sequential, sequential } from "./sequential.js";
export type { After, SameShape, ShapeRule, UnknownShape } from "./shape_rule.js";
