import type { DType } from "./core/dtype.js";
import type { Shape } from "./core/shape.js";
import type { Unknown } from "./core/shape_types.js";
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
import { Tensor } from "./tensor/tensor.js";

export type { DType, HostArray } from "./core/dtype.js";
export { DeviceLostError, OutOfMemoryError, UserError } from "./core/errors.js";
export type { Shape } from "./core/shape.js";
export {
  type ClassifyOptions,
  classify,
  type Guess,
  type Guesses,
  type Pixels,
} from "./deploy/classify.js";
export { encodeOnnx, type OnnxOptions, onnxOpset } from "./deploy/onnx.js";
export type { Device } from "./devices/device.js";
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

/** An operation as a method of its first argument; the compiler keeps its type parameters. */
function method<X, Rest extends unknown[], Result>(
  operation: (x: X, ...rest: Rest) => Result,
): (this: X, ...rest: Rest) => Result {
  return function (this: X, ...rest: Rest) {
    return operation(this, ...rest);
  };
}

/** Operations whose first argument is the tensor, as its methods. A class, since the types of its properties are found when asked for. */
class Methods {
  readonly add = method(pointwise.add);
  readonly sub = method(pointwise.sub);
  readonly mul = method(pointwise.mul);
  readonly div = method(pointwise.div);
  readonly pow = method(pointwise.pow);
  readonly neg = method(pointwise.neg);
  readonly abs = method(pointwise.abs);
  readonly exp = method(pointwise.exp);
  readonly log = method(pointwise.log);
  readonly sqrt = method(pointwise.sqrt);
  readonly square = method(pointwise.square);
  readonly tanh = method(pointwise.tanh);
  readonly sigmoid = method(pointwise.sigmoid);
  readonly relu = method(pointwise.relu);
  readonly clamp = method(pointwise.clamp);
  readonly equal = method(pointwise.equal);
  readonly less = method(pointwise.less);
  readonly greater = method(pointwise.greater);
  readonly cast = method(pointwise.cast);
  readonly reshape = method(movement.reshape);
  readonly flatten = method(movement.flatten);
  readonly permute = method(movement.permute);
  readonly transpose = method(movement.transpose);
  readonly expand = method(movement.expand);
  readonly unsqueeze = method(movement.unsqueeze);
  readonly slice = method(movement.slice);
  readonly flip = method(movement.flip);
  readonly pad = method(movement.pad);
  readonly sum = method(reduce.sum);
  readonly mean = method(reduce.mean);
  readonly variance = method(reduce.variance);
  readonly max = method(reduce.max);
  readonly min = method(reduce.min);
  readonly argmax = method(reduce.argmax);
  readonly matmul = method(matmulOps.matmul);
  readonly gather = method(gatherOps.gather);
  readonly oneHot = method(gatherOps.oneHot);
  readonly softmax = method(softmaxOps.softmax);
  readonly logSoftmax = method(softmaxOps.logSoftmax);
  readonly dropout = method(random.dropout);
  readonly conv2d = method(conv.conv2d);
  readonly maxPool2d = method(pool.maxPool2d);
  readonly avgPool2d = method(pool.avgPool2d);
  readonly resize = method(resizeOps.resize);
  readonly backward = method(gradientOps.backward);
}

declare module "./tensor/tensor.js" {
  interface Tensor<S extends Shape = Unknown, D extends DType = Unknown> extends Methods {}
}

for (const [name, value] of Object.entries(new Methods()))
  Object.defineProperty(Tensor.prototype, name, { value });
