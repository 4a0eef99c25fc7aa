import { UserError } from "../core/errors.js";
import { shuffledOrder } from "../data/batches.js";
import type { SvmProblem, SvmSolution } from "../devices/learners.js";
import { Classifier, isCount, requireSeed, requireSetting, type WorkOptions } from "./estimator.js";
import { learners } from "./learners.js";
import { type Matrix, requireFiniteNorms, requireMemory, row, takeRows, zeroMatrix } from "./matrix.js";
import { couplePairs, fitSigmoid, sigmoidAt } from "./platt.js";
import {
  type KernelName,
  kernelProducts,
  placedFor,
  requireFiniteKernel,
  type SvmKernel,
} from "./svm_kernel.js";

export interface SvcOptions {
  /** Price of a violated margin; 1 if left out. */
  readonly C?: number;
  /**
   * `rbf` if left out, which does not mind where features lie. The others do, in value and in float32's rounding:
   * standardise the features for them.
   */
  readonly kernel?: KernelName;
  /** A number, `scale`: 1 / (features x variance of all values), or `auto`: 1 / features; `scale` if left out. */
  readonly gamma?: number | "scale" | "auto";
  /** Of the polynomial kernel, a whole number; 3 if left out. */
  readonly degree?: number;
  /** Of the polynomial and the sigmoid kernel; 0 if left out. */
  readonly coef0?: number;
  /** The solver stops where no pair of variables violates optimality by more; 1e-3 if left out. */
  readonly tol?: number;
  /** MiB of kernel rows kept, by all pairs of classes that are solved at once; 1024 if left out. */
  readonly cacheSize?: number;
  /** Iterations for a pair of classes at most; as many as it takes if left out. */
  readonly maxIter?: number;
  /** Also learn probabilities: five more fits for each pair. */
  readonly probability?: boolean;
  /** Of the split into five, for probabilities; 0 if left out. */
  readonly randomState?: number;
}

const folds = 5;

/** C-SVM, each pair of classes on its own (one-vs-one), by sequential minimal optimisation. */
export class Svc extends Classifier {
  readonly kind = "svc";
  protected readonly learned = ["gamma", "supportVectors", "dualCoef", "intercept", "sigmoids"];
  /** [vectors, features]: all examples that are a support vector of some pair. */
  supportVectors: Matrix = zeroMatrix(0, 0);
  /** [vectors, pairs], pairs (0, 1), (0, 2), ...: the first class is the positive one. */
  dualCoef: Matrix = zeroMatrix(0, 0);
  /** One a pair. */
  intercept = new Float32Array(0);
  /** Of the last fit, pair by pair; `shrinkings` counts how often variables were put aside. Not saved. */
  report: {
    readonly objective: number;
    readonly iterations: number;
    readonly kernelRows: number;
    readonly shrinkings: number;
    readonly support: number;
  }[] = [];
  private gamma = 0;
  /** [pairs, 2], a and b of each pair's sigmoid, or no rows. */
  private sigmoids: Matrix = zeroMatrix(0, 2);

  constructor(readonly options: SvcOptions = {}) {
    super();
    const {
      C = 1,
      kernel = "rbf",
      gamma = "scale",
      degree = 3,
      coef0 = 0,
      tol = 1e-3,
      cacheSize = 1024,
      maxIter,
      randomState = 0,
    } = options;
    requireSetting(C > 0 && C < Number.POSITIVE_INFINITY, "C", C, "a number above 0");
    requireSetting(
      ["linear", "poly", "rbf", "sigmoid"].includes(kernel),
      "kernel",
      kernel,
      "linear, poly, rbf or sigmoid",
    );
    requireSetting(
      gamma === "scale" || gamma === "auto" || (Number.isFinite(gamma) && gamma > 0),
      "gamma",
      gamma,
      "scale, auto or a finite number above 0",
    );
    requireSetting(degree === 0 || isCount(degree), "degree", degree, "a whole number of at least 0");
    requireSetting(Number.isFinite(coef0), "coef0", coef0, "a finite number");
    requireSetting(tol > 0 && tol < Number.POSITIVE_INFINITY, "tol", tol, "a finite number above 0");
    requireSeed(randomState);
    requireSetting(cacheSize > 0, "cacheSize", cacheSize, "a number of MiB above 0");
    requireSetting(
      maxIter === undefined || isCount(maxIter),
      "maxIter",
      maxIter,
      "a whole number of at least 1",
    );
  }

  protected override async learn(
    x: Matrix,
    y: Int32Array,
    classes: number,
    options: WorkOptions,
  ): Promise<void> {
    const gamma = gammaOf(this.options.gamma ?? "scale", x);
    const members = Array.from({ length: classes }, (_, c) =>
      Int32Array.from(y.keys()).filter((i) => y[i] === c),
    );
    if (this.options.probability && members.some(({ length }) => length < 2))
      throw new UserError(
        `a class has one example, and probabilities are fitted on examples held out: give at least two of each class, or leave out probability`,
      );
    const pairs = pairsOf(classes).map(([i, j]) => problemOf(members[i]!, members[j]!));
    const solutions = await this.solve(x, gamma, pairs, "pairs", options);
    const model = assemble(x, pairs, solutions);
    const sigmoids = this.options.probability
      ? await this.fitSigmoids(x, gamma, pairs, options)
      : zeroMatrix(0, 2);
    Object.assign(this, model, { gamma, sigmoids });
    this.converged = solutions.every(({ converged }) => converged);
    this.report = solutions.map(({ beta, objective, iterations, kernelRows, shrinkings }) => ({
      objective,
      iterations,
      kernelRows,
      shrinkings,
      support: beta.reduce((count, value) => count + (value === 0 ? 0 : 1), 0),
    }));
  }

  private async solve(
    x: Matrix,
    gamma: number,
    problems: readonly SvmProblem[],
    what: string,
    { signal, onProgress }: WorkOptions,
  ): Promise<SvmSolution[]> {
    const { C = 1, tol = 1e-3, cacheSize = 1024, maxIter = Number.MAX_SAFE_INTEGER } = this.options;
    const native = learners(this.kind);
    const cacheBytes = cacheSize * 2 ** 20;
    const atOnce = Math.min(problems.length, native.threads);
    const most = Math.max(...problems.map(({ rows }) => rows.length));
    const least = native.svmLeastBytes(most) * atOnce;
    if (cacheBytes < least)
      throw new UserError(
        `cacheSize is ${cacheSize} MiB and the kernel rows of two classes of ${most} examples together take ${Math.ceil(least / 2 ** 20)} MiB at least; give as many, or fewer examples`,
      );
    requireMemory(
      Math.min(cacheBytes, atOnce * most * most * 4) + (atOnce * most + x.rows) * x.columns * 4,
      `kernel rows and examples of cacheSize ${cacheSize} MiB`,
      "lower cacheSize",
    );
    const kernel = this.kernelWith(gamma);
    const examples = placedFor(kernel.kernel, x);
    requireFiniteNorms(examples);
    const solutions = await native.fitSvm(
      examples.values,
      x.columns,
      { ...kernel, C, tol, cacheBytes, maxIter },
      problems,
      {
        signal,
        onProgress: (done) => onProgress?.({ what, done, total: problems.length }),
      },
    );
    requireFiniteKernel(solutions.flatMap(({ intercept, objective }) => [intercept, objective]));
    return solutions;
  }

  private kernelWith(gamma: number): SvmKernel {
    const { kernel = "rbf", coef0 = 0, degree = 3 } = this.options;
    return { kernel, gamma, coef0, degree };
  }

  /** A sigmoid a pair, on decision values of examples that the fit had not seen (five-fold, as libsvm's). */
  private async fitSigmoids(
    x: Matrix,
    gamma: number,
    pairs: readonly SvmProblem[],
    options: WorkOptions,
  ): Promise<Matrix> {
    const splits = pairs.flatMap((pair) => split(pair, this.options.randomState ?? 0));
    const solutions = await this.solve(
      x,
      gamma,
      splits.map(({ seen }) => seen),
      "folds",
      options,
    );
    const sigmoids = zeroMatrix(pairs.length, 2);
    for (let pair = 0; pair < pairs.length; pair++) {
      const size = pairs[pair]!.rows.length;
      const values = new Float32Array(size);
      const positive = new Uint8Array(size);
      let at = 0;
      for (let fold = pair * folds; fold < (pair + 1) * folds; fold++) {
        const { seen, unseen } = splits[fold]!;
        const { supportVectors, dualCoef, intercept } = assemble(x, [seen], [solutions[fold]!]);
        const rows = takeRows(x, unseen.rows);
        const found =
          supportVectors.rows === 0
            ? new Float32Array(rows.rows).fill(intercept[0]!)
            : await kernelProducts(this.kernelWith(gamma), rows, supportVectors, dualCoef, intercept, {
                signal: options.signal,
              });
        values.set(found, at);
        positive.fill(1, at, at + unseen.positives);
        at += found.length;
      }
      const { a, b } = fitSigmoid(values, (i) => positive[i] === 1);
      row(sigmoids, pair).set([a, b]);
    }
    return sigmoids;
  }

  /** Decision values [rows, pairs], positive for the first class of a pair: (0, 1), (0, 2), ... */
  async decisionFunction(x: Matrix, options: WorkOptions = {}): Promise<Float32Array> {
    this.requireFeatures(x);
    if (x.rows === 0) return new Float32Array(0);
    const { supportVectors, dualCoef, intercept } = this;
    return kernelProducts(this.kernelWith(this.gamma), x, supportVectors, dualCoef, intercept, options);
  }

  /** Probabilities [rows, classes] in the order of `classes`. Throws a UserError unless fitted with `probability`. */
  async predictProba(x: Matrix, options: WorkOptions = {}): Promise<Float32Array> {
    if (!this.options.probability)
      throw new UserError("this svc was made without probabilities; make it with { probability: true }");
    const values = await this.decisionFunction(x, options);
    const classes = this.classes.length;
    const pairs = pairsOf(classes);
    const out = new Float32Array(x.rows * classes);
    const pairwise = new Float64Array(classes * classes);
    for (let k = 0; k < x.rows; k++) {
      for (const [p, [i, j]] of pairs.entries()) {
        const [a, b] = row(this.sigmoids, p);
        pairwise[i * classes + j] = sigmoidAt({ a: a!, b: b! }, values[k * pairs.length + p]!);
        pairwise[j * classes + i] = 1 - pairwise[i * classes + j]!;
      }
      const probabilities =
        classes === 2 ? Float64Array.of(pairwise[1]!, pairwise[2]!) : couplePairs(pairwise, classes);
      out.set(probabilities, k * classes);
    }
    return out;
  }

  /** Most votes of the pairs win; the first class among equals, as in libsvm. */
  protected override async decide(x: Matrix, options: WorkOptions): Promise<Int32Array> {
    const values = await this.decisionFunction(x, options);
    const classes = this.classes.length;
    const pairs = pairsOf(classes);
    return Int32Array.from({ length: x.rows }, (_, row) => {
      const votes = new Int32Array(classes);
      for (const [p, [i, j]] of pairs.entries()) votes[values[row * pairs.length + p]! > 0 ? i : j]!++;
      return votes.indexOf(votes.reduce((most, count) => Math.max(most, count), 0));
    });
  }
}

/** A support vector machine, as scikit-learn's SVC (libsvm). Throws a UserError on impossible settings. */
export function svc(options: SvcOptions = {}): Svc {
  return new Svc(options);
}

function pairsOf(classes: number): [number, number][] {
  const all: [number, number][] = [];
  for (let i = 0; i < classes; i++) for (let j = i + 1; j < classes; j++) all.push([i, j]);
  return all;
}

function problemOf(positive: Int32Array, negative: Int32Array): SvmProblem {
  const rows = new Int32Array(positive.length + negative.length);
  rows.set(positive);
  rows.set(negative, positive.length);
  return { rows, positives: positive.length };
}

/** Takes each class apart into five, so that no part has seen itself. */
function split({ rows, positives }: SvmProblem, seed: number): { seen: SvmProblem; unseen: SvmProblem }[] {
  const sides = [rows.subarray(0, positives), rows.subarray(positives)].map((side, i) =>
    shuffledOrder(side.length, seed, i).map((k) => side[k]!),
  );
  return Array.from({ length: folds }, (_, fold) => {
    const [seenPositive, seenNegative] = sides.map((side) => side.filter((_, k) => k % folds !== fold));
    const [positive, negative] = sides.map((side) => side.filter((_, k) => k % folds === fold));
    return { seen: problemOf(seenPositive!, seenNegative!), unseen: problemOf(positive!, negative!) };
  });
}

/** The union of all support vectors, in the examples' order, and each problem's coefficients of it. */
function assemble(
  x: Matrix,
  problems: readonly SvmProblem[],
  solutions: readonly SvmSolution[],
): Pick<Svc, "supportVectors" | "dualCoef" | "intercept"> {
  const place = new Int32Array(x.rows).fill(-1);
  for (const [p, { rows }] of problems.entries())
    for (let k = 0; k < rows.length; k++) if (solutions[p]!.beta[k] !== 0) place[rows[k]!] = 0;
  const support = Int32Array.from(place.keys()).filter((i) => place[i] === 0);
  for (const [k, i] of support.entries()) place[i] = k;
  const dualCoef = zeroMatrix(support.length, problems.length);
  for (const [p, { rows }] of problems.entries())
    for (let k = 0; k < rows.length; k++) {
      const beta = solutions[p]!.beta[k]!;
      if (beta !== 0) dualCoef.values[place[rows[k]!]! * problems.length + p] = beta;
    }
  return {
    supportVectors: takeRows(x, support),
    dualCoef,
    intercept: Float32Array.from(solutions, ({ intercept }) => intercept),
  };
}

function gammaOf(gamma: number | "scale" | "auto", x: Matrix): number {
  if (typeof gamma === "number") return gamma;
  if (gamma === "auto") return 1 / x.columns;
  const { values } = x;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return variance > 0 ? 1 / (x.columns * variance) : 1;
}
