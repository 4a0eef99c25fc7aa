import { UserError } from "../core/errors.js";
import { matmul } from "../ops/matmul.js";
import { transpose } from "../ops/movement.js";
import { add, exp, maximum, mul, pow, sub, tanh } from "../ops/pointwise.js";
import { type Tensor, tensor } from "../tensor/tensor.js";
import { Stepper, type WorkOptions } from "./estimator.js";
import { centred, columnMeans, type Matrix, requireFiniteNorms, rowBlocks, squaredNorms } from "./matrix.js";

export type KernelName = "linear" | "poly" | "rbf" | "sigmoid";

/** A kernel with its numbers: x'y, (gamma x'y + coef0)^degree, exp(-gamma |x - y|^2) or tanh(gamma x'y + coef0). */
export interface SvmKernel {
  readonly kernel: KernelName;
  readonly gamma: number;
  readonly coef0: number;
  readonly degree: number;
}

/**
 * Examples as a solver wants them: distances do not change with the origin, and near it float32 rounds them least. The
 * other kernels depend on the origin, so their examples stay.
 */
export function placedFor(kernel: KernelName, x: Matrix): Matrix {
  return kernel === "rbf" ? centred(x, Float32Array.from(columnMeans(x))) : x;
}

/** Throws a UserError unless what kernel values led to are finite numbers. */
export function requireFiniteKernel(found: Iterable<number>): void {
  for (const value of found)
    if (!Number.isFinite(value))
      throw new UserError("kernel values overflow: standardise the features, or lower gamma or degree");
}

/** Kernel values of a block of rows take so many numbers at most. */
const blockNumbers = 1 << 24;

/**
 * K(x, support) times coefficients [support rows, columns], plus intercepts: all decision functions as one product, a
 * block of rows at a time. Returns [x rows, columns]. Throws a UserError where kernel values overflow.
 */
export async function kernelProducts(
  { kernel, gamma, coef0, degree }: SvmKernel,
  x: Matrix,
  support: Matrix,
  coefficients: Matrix,
  intercepts: Float32Array,
  options: WorkOptions,
): Promise<Float32Array> {
  const mean = kernel === "rbf" ? Float32Array.from(columnMeans(support)) : undefined;
  const placed = mean ? centred(support, mean) : support;
  const vectors = transpose(tensor(placed.values, [support.rows, support.columns]));
  const norms = tensor(squaredNorms(placed));
  const weights = tensor(coefficients.values, [coefficients.rows, coefficients.columns]);
  const bias = tensor(intercepts);
  const valuesOf = (block: Tensor, blockNorms: Tensor): Tensor => {
    const dots = matmul(block, vectors);
    switch (kernel) {
      case "linear":
        return dots;
      case "poly":
        return pow(add(mul(dots, gamma), coef0), degree);
      case "rbf":
        return exp(mul(maximum(sub(add(blockNorms, norms), mul(dots, 2)), 0), -gamma));
      case "sigmoid":
        return tanh(add(mul(dots, gamma), coef0));
    }
  };
  const out = new Float32Array(x.rows * coefficients.columns);
  const stepper = new Stepper(options, "examples", x.rows);
  const size = Math.max(1, Math.floor(blockNumbers / support.rows));
  for (const { start, block: rows } of rowBlocks(x, size)) {
    const block = mean ? centred(rows, mean) : rows;
    requireFiniteNorms(block);
    const some = tensor(block.values, [block.rows, x.columns]);
    const someNorms = tensor(squaredNorms(block), [block.rows, 1]);
    const found = await add(matmul(valuesOf(some, someNorms), weights), bias).data();
    out.set(found, start * coefficients.columns);
    await stepper.step(start + block.rows);
  }
  requireFiniteKernel(out);
  return out;
}
