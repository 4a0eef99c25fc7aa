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
  readonly intercept: number;
  /** The dual's value, to be minimised. */
  readonly objective: number;
  readonly iterations: number;
  readonly kernelRows: number;
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

export interface GrownTree {
  /** Three numbers a node: feature, last bin that goes left and right child; or -1, 0 and a leaf's row of `values`. */
  readonly nodes: Int32Array;
  /** Class shares of each leaf. */
  readonly values: Float32Array;
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
  /** Trees over `codes` [features, examples]; `cuts` [features, 256] is the value that a bin stands for. */
  growForest(
    codes: Uint8Array,
    labels: Int32Array,
    cuts: Float32Array,
    settings: ForestSettings,
    watch: Watch,
  ): Promise<GrownTree[]>;
}
