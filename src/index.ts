import { tryGpu } from "./devices/open.js";
import * as conv from "./ops/conv.js";
import * as gatherOps from "./ops/gather.js";
import * as gradientOps from "./ops/gradients.js";
import * as matmulOps from "./ops/matmul.js";
import * as movement from "./ops/movement.js";
import * as pointwise from "./ops/pointwise.js";
import * as pool from "./ops/pool.js";
import * as random from "./ops/random.js";
import * as reduce from "./ops/reduce.js";
import * as resizeOps from "./ops/resize.js";
import * as softmaxOps from "./ops/softmax.js";
import { useDevice } from "./tensor/evaluate.js";
import { Tensor } from "./tensor/tensor.js";

export type { DType, HostArray } from "./core/dtype.js";
export { UserError } from "./core/errors.js";
export type { Shape } from "./core/shape.js";
export * as data from "./data/index.js";
export type { Device } from "./devices/device.js";
export {
  type DeviceName,
  type DeviceOptions,
  type DeviceReport,
  devices,
  openDevice,
  tryGpu,
} from "./devices/open.js";
export * as models from "./models/index.js";
export * as nn from "./nn/index.js";
export type { Conv2dOptions, Padding2d, Size2d } from "./ops/conv.js";
export { conv2d } from "./ops/conv.js";
export { arange, full, ones, zeros } from "./ops/creation.js";
export { gather, oneHot } from "./ops/gather.js";
export { backward, gradients } from "./ops/gradients.js";
export { linear, matmul } from "./ops/matmul.js";
export * from "./ops/movement.js";
export {
  abs,
  add,
  cast,
  ceil,
  clamp,
  cos,
  div,
  equal,
  exp,
  floor,
  greater,
  greaterEqual,
  leakyRelu,
  less,
  lessEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  reciprocal,
  relu,
  sigmoid,
  sign,
  sin,
  softplus,
  sqrt,
  square,
  sub,
  type TensorLike,
  tanh,
  where,
} from "./ops/pointwise.js";
export { avgPool2d, maxPool2d, type Pool2dOptions } from "./ops/pool.js";
export {
  dropout,
  manualSeed,
  type RandomState,
  rand,
  randn,
  randomState,
  setRandomState,
} from "./ops/random.js";
export { argmax, max, mean, min, type ReduceOptions, sum, variance } from "./ops/reduce.js";
export { resize } from "./ops/resize.js";
export { crossEntropy, logSoftmax, logSumExp, mseLoss, softmax } from "./ops/softmax.js";
export * from "./optim/index.js";
export { currentDevice, useDevice } from "./tensor/evaluate.js";
export { evaluate, Tensor, tensor, variable } from "./tensor/tensor.js";
export * from "./train/index.js";

/** Operations whose first argument is the tensor, as methods of it. */
const methods = {
  add: pointwise.add,
  sub: pointwise.sub,
  mul: pointwise.mul,
  div: pointwise.div,
  pow: pointwise.pow,
  neg: pointwise.neg,
  abs: pointwise.abs,
  exp: pointwise.exp,
  log: pointwise.log,
  sqrt: pointwise.sqrt,
  square: pointwise.square,
  tanh: pointwise.tanh,
  sigmoid: pointwise.sigmoid,
  relu: pointwise.relu,
  clamp: pointwise.clamp,
  equal: pointwise.equal,
  less: pointwise.less,
  greater: pointwise.greater,
  cast: pointwise.cast,
  reshape: movement.reshape,
  flatten: movement.flatten,
  permute: movement.permute,
  transpose: movement.transpose,
  expand: movement.expand,
  unsqueeze: movement.unsqueeze,
  slice: movement.slice,
  flip: movement.flip,
  pad: movement.pad,
  sum: reduce.sum,
  mean: reduce.mean,
  variance: reduce.variance,
  max: reduce.max,
  min: reduce.min,
  argmax: reduce.argmax,
  matmul: matmulOps.matmul,
  gather: gatherOps.gather,
  oneHot: gatherOps.oneHot,
  softmax: softmaxOps.softmax,
  logSoftmax: softmaxOps.logSoftmax,
  dropout: random.dropout,
  conv2d: conv.conv2d,
  maxPool2d: pool.maxPool2d,
  avgPool2d: pool.avgPool2d,
  resize: resizeOps.resize,
  backward: gradientOps.backward,
} as const;

type Method<F> = F extends (x: Tensor, ...rest: infer Rest) => infer Result
  ? (...rest: Rest) => Result
  : F extends (x: infer _, ...rest: infer Rest) => infer Result
    ? (...rest: Rest) => Result
    : never;
type Methods = { readonly [Name in keyof typeof methods]: Method<(typeof methods)[Name]> };

declare module "./tensor/tensor.js" {
  interface Tensor extends Methods {}
}

for (const [name, operation] of Object.entries(methods)) {
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: unknown[]) {
      return (operation as (...args: unknown[]) => unknown)(this, ...rest);
    },
  });
}

useDevice(await tryGpu());
