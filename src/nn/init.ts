import type { Shape } from "../core/shape.js";
import { elementCount } from "../core/shape.js";
import { mul, sub } from "../ops/pointwise.js";
import { rand, randn } from "../ops/random.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Module } from "./module.js";

/** Makes a weight's first value from its shape ([out, in] or [out, in, kh, kw]). */
export type Initializer = (shape: Shape) => Tensor;

/** How many inputs feed an output, and how many outputs an input feeds. */
export function fans(shape: Shape): { fanIn: number; fanOut: number } {
  const field = elementCount(shape.slice(2));
  return { fanIn: shape[1]! * field, fanOut: shape[0]! * field };
}

/** Uniform numbers of [-bound, bound). */
export function uniform(shape: Shape, bound: number): Tensor {
  return mul(sub(mul(rand(shape), 2), 1), bound);
}

/** Uniform with bound sqrt(6 / (fanIn + fanOut)): Glorot and Bengio, 2010. */
export const xavierUniform: Initializer = (shape) => {
  const { fanIn, fanOut } = fans(shape);
  return uniform(shape, Math.sqrt(6 / (fanIn + fanOut)));
};

/** Uniform with bound sqrt(6 / fanIn): He et al., 2015, for layers followed by ReLU. */
export const kaimingUniform: Initializer = (shape) => uniform(shape, Math.sqrt(6 / fans(shape).fanIn));

/** Normal with deviation sqrt(2 / fanIn): He et al., 2015. */
export const kaimingNormal: Initializer = (shape) => mul(randn(shape), Math.sqrt(2 / fans(shape).fanIn));

/** What PyTorch gives weights and biases of linear and convolution layers: bound 1 / sqrt(fanIn). */
export function defaultUniform(shape: Shape, fanIn: number): Tensor {
  return uniform(shape, 1 / Math.sqrt(fanIn));
}

/** Draws every weight (parameters of two or more axes) anew; biases stay. What the book's `train_ch6` does with Xavier. */
export function initialize(module: Module, initializer: Initializer): void {
  for (const parameter of module.parameters())
    if (parameter.shape.length >= 2) parameter.assign(initializer(parameter.shape));
}
