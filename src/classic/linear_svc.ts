import { linear } from "../ops/matmul.js";
import { tensor } from "../tensor/tensor.js";
import {
  Classifier,
  isCount,
  largestInRows,
  requireSeed,
  requireSetting,
  Stepper,
  type WorkOptions,
} from "./estimator.js";
import { learners } from "./learners.js";
import { type Matrix, requireFiniteNorms, rowBlocks, zeroMatrix } from "./matrix.js";

export interface LinearSvcOptions {
  /** Price of a violated margin; 1 if left out. */
  readonly C?: number;
  /** How a violation is priced, by its square or by itself; `squaredHinge` if left out. */
  readonly loss?: "squaredHinge" | "hinge";
  /** The solver stops where projected gradients of the dual lie no further apart; 1e-4 if left out. */
  readonly tol?: number;
  /** Passes over the examples at most; 1000 if left out. */
  readonly maxIter?: number;
  /** Of the order in which examples are visited; 0 if left out. */
  readonly randomState?: number;
}

/** A linear SVM, each class against all others, by dual coordinate descent: its memory is one number an example. */
export class LinearSvc extends Classifier {
  readonly kind = "linearSvc";
  protected readonly learned = ["coef", "intercept"];
  /** [classes, features]; of two classes one row, whose positive side is the second class. */
  coef: Matrix = zeroMatrix(0, 0);
  intercept = new Float32Array(0);
  /** Of the last fit, row by row of `coef`: dual objective, passes over the examples. Not saved. */
  report: { readonly objective: number; readonly iterations: number }[] = [];

  constructor(readonly options: LinearSvcOptions = {}) {
    super();
    const { C = 1, loss = "squaredHinge", tol = 1e-4, maxIter = 1000, randomState = 0 } = options;
    requireSetting(C > 0 && C < Number.POSITIVE_INFINITY, "C", C, "a number above 0");
    requireSetting(loss === "squaredHinge" || loss === "hinge", "loss", loss, "squaredHinge or hinge");
    requireSetting(tol > 0, "tol", tol, "a number above 0");
    requireSetting(isCount(maxIter), "maxIter", maxIter, "a whole number of at least 1");
    requireSeed(randomState);
  }

  protected override async learn(
    x: Matrix,
    y: Int32Array,
    classes: number,
    { signal, onProgress }: WorkOptions,
  ): Promise<void> {
    const { C = 1, loss = "squaredHinge", tol = 1e-4, maxIter = 1000, randomState = 0 } = this.options;
    requireFiniteNorms(x);
    const positives = classes === 2 ? Int32Array.of(1) : Int32Array.from({ length: classes }, (_, c) => c);
    const solutions = await learners(this.kind).fitLinearSvm(
      x.values,
      x.columns,
      y,
      positives,
      { C, tol, maxIter, squared: loss === "squaredHinge", seed: randomState },
      { signal, onProgress: (done) => onProgress?.({ what: "classes", done, total: positives.length }) },
    );
    const coef = zeroMatrix(positives.length, x.columns);
    for (const [c, { weights }] of solutions.entries()) coef.values.set(weights, c * x.columns);
    this.coef = coef;
    this.intercept = Float32Array.from(solutions, ({ intercept }) => intercept);
    this.report = solutions.map(({ objective, iterations }) => ({ objective, iterations }));
    this.converged = solutions.every(({ converged }) => converged);
  }

  /** Decision values [rows, classes] in the order of `classes`; of two classes [rows, 1], positive for the second. */
  async decisionFunction(x: Matrix, options: WorkOptions = {}): Promise<Float32Array> {
    this.requireFeatures(x);
    requireFiniteNorms(x);
    const { rows: outputs, columns, values } = this.coef;
    const weight = tensor(values, [outputs, columns]);
    const bias = tensor(this.intercept);
    const out = new Float32Array(x.rows * outputs);
    const stepper = new Stepper(options, "examples", x.rows);
    for (const { start, block } of rowBlocks(x)) {
      const found = linear(tensor(block.values, [block.rows, columns]), weight, bias);
      out.set(await found.data(), start * outputs);
      await stepper.step(start + block.rows);
    }
    return out;
  }

  protected override async decide(x: Matrix, options: WorkOptions): Promise<Int32Array> {
    const values = await this.decisionFunction(x, options);
    return this.classes.length === 2
      ? Int32Array.from(values, (value) => Number(value > 0))
      : largestInRows(values, this.classes.length);
  }
}

/**
 * A linear SVM for large sets (Hsieh et al., 2008), as scikit-learn's LinearSVC: the intercept is penalised as the weight
 * of a feature that is 1 everywhere, so features want to be of that scale. Throws a UserError on impossible settings.
 */
export function linearSvc(options: LinearSvcOptions = {}): LinearSvc {
  return new LinearSvc(options);
}
