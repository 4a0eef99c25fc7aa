import * as conv from "../../src/ops/conv.js";
import * as gatherOps from "../../src/ops/gather.js";
import * as matmulOps from "../../src/ops/matmul.js";
import * as movement from "../../src/ops/movement.js";
import * as pointwise from "../../src/ops/pointwise.js";
import * as pool from "../../src/ops/pool.js";
import * as reduce from "../../src/ops/reduce.js";
import * as resizeOps from "../../src/ops/resize.js";
import * as softmaxOps from "../../src/ops/softmax.js";
import type { Tensor } from "../../src/tensor/tensor.js";

/** Attributes as the cases write them. */
// biome-ignore lint/suspicious/noExplicitAny: attributes are JSON, each operation knows its own
type Attributes = any;
type Operation = (inputs: Tensor[], attributes: Attributes) => Tensor;

const unary =
  (f: (x: Tensor) => Tensor): Operation =>
  ([x]) =>
    f(x!);
const binary =
  (f: (a: Tensor, b: Tensor) => Tensor): Operation =>
  ([a, b]) =>
    f(a!, b!);

/** Every public operation, called as a case says. */
export const operations: Record<string, Operation> = {
  neg: unary(pointwise.neg),
  abs: unary(pointwise.abs),
  exp: unary(pointwise.exp),
  log: unary(pointwise.log),
  sqrt: unary(pointwise.sqrt),
  sin: unary(pointwise.sin),
  cos: unary(pointwise.cos),
  tanh: unary(pointwise.tanh),
  sigmoid: unary(pointwise.sigmoid),
  softplus: unary(pointwise.softplus),
  relu: unary(pointwise.relu),
  square: unary(pointwise.square),
  reciprocal: unary(pointwise.reciprocal),
  sign: unary(pointwise.sign),
  floor: unary(pointwise.floor),
  ceil: unary(pointwise.ceil),
  clamp: ([x], a) => pointwise.clamp(x!, a),
  leakyRelu: ([x], a) => pointwise.leakyRelu(x!, a),
  add: binary(pointwise.add),
  sub: binary(pointwise.sub),
  mul: binary(pointwise.mul),
  div: binary(pointwise.div),
  pow: binary(pointwise.pow),
  maximum: binary(pointwise.maximum),
  minimum: binary(pointwise.minimum),
  equal: binary(pointwise.equal),
  less: binary(pointwise.less),
  lessEqual: binary(pointwise.lessEqual),
  greater: binary(pointwise.greater),
  greaterEqual: binary(pointwise.greaterEqual),
  where: ([c, a, b]) => pointwise.where(c!, a!, b!),
  cast: ([x], a) => pointwise.cast(x!, a.dtype),
  sum: ([x], a) => reduce.sum(x!, a),
  mean: ([x], a) => reduce.mean(x!, a),
  max: ([x], a) => reduce.max(x!, a),
  min: ([x], a) => reduce.min(x!, a),
  variance: ([x], a) => reduce.variance(x!, a),
  argmax: ([x], a) => reduce.argmax(x!, a.axis),
  reshape: ([x], a) => movement.reshape(x!, a.shape),
  flatten: ([x], a) => movement.flatten(x!, a.startAxis),
  permute: ([x], a) => movement.permute(x!, a.axes),
  transpose: ([x], a) => movement.transpose(x!, a.axis0, a.axis1),
  expand: ([x], a) => movement.expand(x!, a.shape),
  unsqueeze: ([x], a) => movement.unsqueeze(x!, a.axis),
  slice: ([x], a) => movement.slice(x!, a.starts, a.ends, a.steps),
  flip: ([x], a) => movement.flip(x!, a.axes),
  concat: (inputs, a) => movement.concat(inputs, a.axis),
  stack: (inputs, a) => movement.stack(inputs, a.axis),
  pad: ([x], a) => movement.pad(x!, a.padding, a.value),
  matmul: binary(matmulOps.matmul),
  linear: ([x, w, b]) => matmulOps.linear(x!, w!, b),
  conv2d: ([x, w, b], a) => conv.conv2d(x!, w!, b, a),
  maxPool2d: ([x], a) => pool.maxPool2d(x!, a),
  avgPool2d: ([x], a) => pool.avgPool2d(x!, a),
  gather: ([table, index]) => gatherOps.gather(table!, index!),
  oneHot: ([x], a) => gatherOps.oneHot(x!, a.classes),
  softmax: ([x], a) => softmaxOps.softmax(x!, a.axis),
  logSoftmax: ([x], a) => softmaxOps.logSoftmax(x!, a.axis),
  logSumExp: ([x], a) => softmaxOps.logSumExp(x!, a),
  crossEntropy: binary(softmaxOps.crossEntropy),
  mseLoss: binary(softmaxOps.mseLoss),
  resize: ([x], a) => resizeOps.resize(x!, a.size),
};

/** Modules whose exported functions on tensors must all be in the table above (and so have cases). */
export const operationModules = {
  conv,
  gatherOps,
  matmulOps,
  movement,
  pointwise,
  pool,
  reduce,
  resizeOps,
  softmaxOps,
};

/** Exports that are no operations: helpers of other files, and what shape checks share. */
export const notOperations = new Set([
  "recordPointwise",
  "expandNode",
  "operandExpr",
  "pointwise",
  "sumNode",
  "logSumExpNode",
  "requireFloat",
  "requireBias",
  "pair",
  "paddingOf",
  "outputSize",
  "conv2dShape",
  "convGeometry",
  "windowGeometry",
  "windowShape",
]);
