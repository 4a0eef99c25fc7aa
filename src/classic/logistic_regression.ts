import { gradients } from "../ops/gradients.js";
import { linear } from "../ops/matmul.js";
import { crossEntropy, softmax } from "../ops/softmax.js";
import { evaluate, type Tensor, tensor, variable } from "../tensor/tensor.js";
import {
  Classifier,
  isCount,
  largestInRows,
  requireSetting,
  Stepper,
  type WorkOptions,
} from "./estimator.js";
import { minimize } from "./lbfgs.js";
import { type Matrix, matrix, requireFiniteNorms, rowBlocks, zeroMatrix } from "./matrix.js";

export interface LogisticRegressionOptions {
  /** Inverse of the penalty's strength; 1 if left out. */
  readonly C?: number;
  /** Ends where no entry of the mean loss's gradient is larger; 1e-5 if left out. */
  readonly tol?: number;
  /** 100 if left out. */
  readonly maxIter?: number;
}

/** Softmax regression by L-BFGS: the sum of cross-entropies times C plus half the squared weights, biases apart. */
export class LogisticRegression extends Classifier {
  readonly kind = "logisticRegression";
  protected readonly learned = ["coef", "intercept"];
  /** [classes, features] */
  coef: Matrix = zeroMatrix(0, 0);
  intercept = new Float32Array(0);
  /** Of the last fit: iterations, and whether the gradient came within `tol`. Not saved. */
  report = { iterations: 0, converged: true };

  constructor(readonly options: LogisticRegressionOptions = {}) {
    super();
    const { C = 1, tol = 1e-5, maxIter = 100 } = options;
    requireSetting(C > 0, "C", C, "a number above 0");
    requireSetting(tol > 0, "tol", tol, "a number above 0");
    requireSetting(isCount(maxIter), "maxIter", maxIter, "a whole number of at least 1");
  }

  /** Probabilities [rows, classes] in the order of `classes`. */
  async predictProba(x: Matrix, options: WorkOptions = {}): Promise<Float32Array> {
    this.requireFeatures(x);
    return this.outputs(x, softmax, options);
  }

  protected override async decide(x: Matrix, options: WorkOptions): Promise<Int32Array> {
    return largestInRows(await this.outputs(x, (logits) => logits, options), this.classes.length);
  }

  private async outputs(
    x: Matrix,
    of: (logits: Tensor) => Tensor,
    options: WorkOptions,
  ): Promise<Float32Array> {
    requireFiniteNorms(x);
    const { rows: classes, columns, values } = this.coef;
    const weight = tensor(values, [classes, columns]);
    const bias = tensor(this.intercept);
    const out = new Float32Array(x.rows * classes);
    const stepper = new Stepper(options, "examples", x.rows);
    for (const { start, block } of rowBlocks(x)) {
      const logits = linear(tensor(block.values, [block.rows, columns]), weight, bias);
      out.set(await of(logits).data(), start * classes);
      await stepper.step(start + block.rows);
    }
    return out;
  }

  protected override async learn(
    x: Matrix,
    y: Int32Array,
    classes: number,
    options: WorkOptions,
  ): Promise<void> {
    requireFiniteNorms(x);
    const { C = 1, tol = 1e-5, maxIter = 100 } = this.options;
    const count = classes * x.columns;
    const inputs = tensor(x.values, [x.rows, x.columns]);
    const labels = tensor(y);
    const weight = variable(tensor(new Float32Array(count), [classes, x.columns]), { requiresGrad: true });
    const bias = variable(tensor(new Float32Array(classes)), { requiresGrad: true });
    const slopeAt = async (point: Float64Array) => {
      weight.set(Float32Array.from(point.subarray(0, count)));
      bias.set(Float32Array.from(point.subarray(count)));
      const loss = crossEntropy(linear(inputs, weight, bias), labels);
      const [byWeight, byBias] = gradients(loss, [weight, bias]);
      await evaluate(loss, byWeight!, byBias!);
      const gradient = new Float64Array(point.length);
      gradient.set(await byWeight!.data());
      gradient.set(await byBias!.data(), count);
      let squares = 0;
      for (let i = 0; i < count; i++) {
        squares += point[i]! ** 2;
        gradient[i]! += point[i]! / (C * x.rows);
      }
      return { value: (await loss.item()) + squares / (2 * C * x.rows), gradient };
    };
    const stepper = new Stepper(options, "iterations", maxIter);
    const { point, iterations, converged } = await minimize(slopeAt, new Float64Array(count + classes), {
      maxIterations: maxIter,
      tolerance: tol,
      onIteration: (iteration) => stepper.step(iteration),
    });
    this.coef = matrix(point.subarray(0, count), classes, x.columns);
    this.intercept = Float32Array.from(point.subarray(count));
    this.report = { iterations, converged };
    this.converged = converged;
  }
}

/** Softmax regression, as scikit-learn's LogisticRegression (multinomial). Throws a UserError on impossible settings. */
export function logisticRegression(options: LogisticRegressionOptions = {}): LogisticRegression {
  return new LogisticRegression(options);
}
