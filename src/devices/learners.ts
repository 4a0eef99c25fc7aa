/** Watches a learner at work. */
export interface Watch {
  readonly signal?: AbortSignal | undefined;
  /** Called now and then with what is done so far. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

export interface SvmSettings {
  readonly kernel: "linear" | "poly" | "rbf" | "sigmoid";
  readonly gamma: number;
  readonly coef0: number;
  readonly degree: number;
  readonly C: number;
  /** Where the largest violation of optimality falls below, the solver stops. */
  readonly tol: number;
  /** Bytes of kernel rows kept, of all problems that run at once together. */
  readonly cacheBytes: number;
  readonly maxIter: number;
}

/** Two classes: numbers of examples, the positive ones first. */
export interface SvmProblem {
  readonly rows: Int32Array;
  readonly positives: number;
}

export interface SvmSolution {
  /** Label times dual variable of each of the problem's rows. */
  readonly beta: Float64Array;
  /** NaN, as `objective`, where kernel values overflow. */
  readonly intercept: number;
  /** The dual's value, to be minimised. */
  readonly objective: number;
  readonly iterations: number;
  readonly kernelRows: number;
  /** How often variables were put aside. */
  readonly shrinkings: number;
  /** Whether it stopped by `tol`. */
  readonly converged: boolean;
}

export interface LinearSvmSettings {
  readonly C: number;
  /** Where projected gradients lie no further apart, the solver stops. */
  readonly tol: number;
  /** Passes over the examples at most. */
  readonly maxIter: number;
  /** The hinge's square instead of the hinge. */
  readonly squared: boolean;
  readonly seed: number;
}

export interface LinearSvmSolution {
  readonly weights: Float64Array;
  readonly intercept: number;
  /** The dual's value, to be minimised. */
  readonly objective: number;
  readonly iterations: number;
  /** Whether it stopped by `tol`. */
  readonly converged: boolean;
}

export interface ForestSettings {
  readonly features: number;
  readonly classes: number;
  readonly trees: number;
  readonly maxFeatures: number;
  readonly minSamplesSplit: number;
  readonly minSamplesLeaf: number;
  readonly maxDepth: number;
  readonly bootstrap: boolean;
  /** Thresholds at random, as extra trees have them. */
  readonly randomSplits: boolean;
  readonly seed: number;
}

/** Features of at most 256 values, or cut into as many bins. */
export interface Bins {
  /** The bin of each example, [features, examples]. */
  readonly codes: Uint8Array;
  /** Smallest and largest value of each bin, [features, 256]. */
  readonly lows: Float32Array;
  readonly highs: Float32Array;
}

export interface GrownTree {
  /** Two numbers a node: feature and right child (the left one follows), or -1 and a leaf's row of `values`. */
  readonly nodes: Int32Array;
  /** One a node: what goes left is at most that. */
  readonly thresholds: Float32Array;
  /** Class shares of each leaf. */
  readonly values: Float32Array;
}

/** Trees one after the other, as `GrownTree` has them, with children and leaves numbered over all of them. */
export interface GrownForest extends GrownTree {
  /** Each tree's first node. */
  readonly roots: Int32Array;
}

/**
 * Learners whose loops are no tensor program, on a device's own threads, in its queue. The same arguments give the same
 * bits whatever the number of threads. `x` holds rows of `columns`. A promise rejects with the signal's reason.
 */
export interface Learners {
  readonly threads: number;
  /** Bytes of kernel rows that a problem of so many examples needs at least. */
  svmLeastBytes(rows: number): number;
  fitSvm(
    x: Float32Array,
    columns: number,
    settings: SvmSettings,
    problems: readonly SvmProblem[],
    watch: Watch,
  ): Promise<SvmSolution[]>;
  /** Each of `classes`, which are among `labels`, against all others. */
  fitLinearSvm(
    x: Float32Array,
    columns: number,
    labels: Int32Array,
    classes: Int32Array,
    settings: LinearSvmSettings,
    watch: Watch,
  ): Promise<LinearSvmSolution[]>;
  growForest(bins: Bins, labels: Int32Array, settings: ForestSettings, watch: Watch): Promise<GrownTree[]>;
  /**
   * The mean class shares of the leaves that each row falls into [rows, classes]: sums in double, tree by tree. NaN for a
   * row that holds what is no finite number.
   */
  walkForest(
    x: Float32Array,
    columns: number,
    forest: GrownForest,
    classes: number,
    watch: Watch,
  ): Promise<Float32Array>;
}
