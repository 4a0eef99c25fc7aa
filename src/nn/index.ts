export { leakyRelu, relu, sigmoid, tanh } from "./activation.js";
export { Conv2d, type Conv2dLayerOptions, conv2d } from "./conv.js";
export { Dropout, dropout } from "./dropout.js";
export { flatten } from "./flatten.js";
export { type Initializer, initialize, kaimingNormal, kaimingUniform, xavierUniform } from "./init.js";
export { Linear, linear } from "./linear.js";
export { Module } from "./module.js";
export { avgPool2d, maxPool2d } from "./pool.js";
export { type LayerRow, Sequential, sequential } from "./sequential.js";
