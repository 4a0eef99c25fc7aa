import { UserError } from "../core/errors.js";
import type { GrownForest } from "../devices/learners.js";
import { currentDevice } from "../tensor/evaluate.js";
import { binFeatures } from "./bin_features.js";
import {
  Classifier,
  isCount,
  largestInRows,
  type ModelState,
  requireSeed,
  requireSetting,
  Stepper,
  type WorkOptions,
} from "./estimator.js";
import { growForest } from "./grow_forest.js";
import { type Matrix, requireFinite, requireMemory, row } from "./matrix.js";

export interface ForestOptions {
  /** Trees; 100 if left out. */
  readonly nEstimators?: number;
  /** Features tried at each node; `sqrt` of all if left out. */
  readonly maxFeatures?: "sqrt" | number;
  /** Without a bound if left out. */
  readonly maxDepth?: number;
  /** Different examples that a node needs to be split; 2 if left out. */
  readonly minSamplesSplit?: number;
  /** Different examples that either side of a split needs; 1 if left out. */
  readonly minSamplesLeaf?: number;
  /** Each tree sees as many examples, drawn with replacement; forests do and extra trees do not if left out. */
  readonly bootstrap?: boolean;
  /** Seed; 0 if left out. */
  readonly randomState?: number;
}

/** So many rows are walked here, before a device's threads would have begun. */
const fewRows = 8;

/** Trees by Gini impurity whose leaves' class shares are averaged. Splits are exact on features of at most 256 values. */
export class Forest extends Classifier {
  protected readonly learned = ["nodes", "thresholds", "values", "roots"];
  /** Two numbers a node: feature and right child (the left one follows), or -1 and a leaf's row of `values`. */
  private nodes = new Int32Array(0);
  /** What goes left is at most the threshold; one a node. */
  private thresholds = new Float32Array(0);
  /** Class shares of leaves. */
  private values = new Float32Array(0);
  /** Where each tree begins. */
  private roots = new Int32Array(0);

  constructor(
    readonly kind: "randomForestClassifier" | "extraTreesClassifier",
    readonly options: ForestOptions = {},
  ) {
    super();
    const {
      nEstimators = 100,
      maxFeatures = "sqrt",
      maxDepth = 1,
      minSamplesSplit = 2,
      minSamplesLeaf = 1,
      randomState = 0,
    } = options;
    requireSetting(isCount(nEstimators), "nEstimators", nEstimators, "a whole number of at least 1");
    requireSetting(
      maxFeatures === "sqrt" || isCount(maxFeatures),
      "maxFeatures",
      maxFeatures,
      "sqrt or a whole number of at least 1",
    );
    requireSetting(isCount(maxDepth), "maxDepth", maxDepth, "a whole number of at least 1");
    requireSetting(
      isCount(minSamplesSplit) && minSamplesSplit > 1,
      "minSamplesSplit",
      minSamplesSplit,
      "a whole number of at least 2",
    );
    requireSetting(isCount(minSamplesLeaf), "minSamplesLeaf", minSamplesLeaf, "a whole number of at least 1");
    requireSeed(randomState);
  }

  protected override async learn(
    x: Matrix,
    y: Int32Array,
    classes: number,
    options: WorkOptions,
  ): Promise<void> {
    const { signal, onProgress } = options;
    const {
      nEstimators = 100,
      maxFeatures = "sqrt",
      maxDepth = 2 ** 31,
      minSamplesSplit = 2,
      minSamplesLeaf = 1,
      randomState = 0,
    } = this.options;
    requireMemory(
      x.values.length,
      `bins of ${x.rows} examples of ${x.columns} features`,
      "take fewer of either",
    );
    const isExtra = this.kind === "extraTreesClassifier";
    // A device without learners of its own has the plain loops, to the same bits.
    const grow = currentDevice().learners?.growForest ?? growForest;
    const trees = await grow(
      await binFeatures(x, options),
      y,
      {
        features: x.columns,
        classes,
        trees: nEstimators,
        maxFeatures: Math.min(
          x.columns,
          maxFeatures === "sqrt" ? Math.max(1, Math.floor(Math.sqrt(x.columns))) : maxFeatures,
        ),
        minSamplesSplit,
        minSamplesLeaf,
        maxDepth,
        bootstrap: this.options.bootstrap ?? !isExtra,
        randomSplits: isExtra,
        seed: randomState,
      },
      { signal, onProgress: (done) => onProgress?.({ what: "trees", done, total: nEstimators }) },
    );
    this.roots = new Int32Array(nEstimators);
    this.thresholds = new Float32Array(trees.reduce((sum, { thresholds }) => sum + thresholds.length, 0));
    this.nodes = new Int32Array(2 * this.thresholds.length);
    this.values = new Float32Array(trees.reduce((sum, { values }) => sum + values.length, 0));
    let [node, value] = [0, 0];
    for (const [t, { nodes, thresholds, values }] of trees.entries()) {
      this.roots[t] = node;
      for (let i = 0; i < nodes.length; i += 2) {
        const [feature, next] = nodes.subarray(i, i + 2);
        this.nodes.set([feature!, next! + (feature! < 0 ? value / classes : node)], 2 * node + i);
      }
      this.thresholds.set(thresholds, node);
      this.values.set(values, value);
      node += thresholds.length;
      value += values.length;
    }
  }

  /** Throws a UserError where an array is missing, and where the nodes are no trees of these features and classes. */
  override restore(state: ModelState): this {
    super.restore(state);
    requireTrees(this.trees(), this.columns, this.classes.length);
    return this;
  }

  private trees(): GrownForest {
    const { nodes, thresholds, values, roots } = this;
    return { nodes, thresholds, values, roots };
  }

  /** A walk finds by itself what is no finite number. */
  protected override requireFeatures(x: Matrix): void {
    this.requireColumns(x);
  }

  /** Mean class shares of the leaves [rows, classes], in the order of `classes`; the same bits on every device. */
  async predictProba(x: Matrix, options: WorkOptions = {}): Promise<Float32Array> {
    this.requireFeatures(x);
    const { learners } = currentDevice();
    const { signal, onProgress } = options;
    const classes = this.classes.length;
    const shares =
      learners && x.rows > fewRows
        ? await learners.walkForest(x.values, x.columns, this.trees(), classes, {
            signal,
            onProgress: (done) => onProgress?.({ what: "examples", done, total: x.rows }),
          })
        : await walk(this.trees(), x, classes, options);
    if (shares.some(Number.isNaN)) requireFinite(x);
    return shares;
  }

  protected override async decide(x: Matrix, options: WorkOptions): Promise<Int32Array> {
    return largestInRows(await this.predictProba(x, options), this.classes.length);
  }
}

/** What a device's `walkForest` does, one example after the other. */
async function walk(
  { nodes, thresholds, values, roots }: GrownForest,
  x: Matrix,
  classes: number,
  options: WorkOptions,
): Promise<Float32Array> {
  const out = new Float32Array(x.rows * classes);
  const stepper = new Stepper(options, "examples", x.rows);
  const sums = new Float64Array(classes);
  for (let i = 0; i < x.rows; i++) {
    sums.fill(0);
    for (const root of roots) {
      let node = root;
      for (let feature = nodes[2 * node]!; feature >= 0; feature = nodes[2 * node]!)
        node = x.values[i * x.columns + feature]! <= thresholds[node]! ? node + 1 : nodes[2 * node + 1]!;
      const leaf = nodes[2 * node + 1]! * classes;
      for (let c = 0; c < classes; c++) sums[c]! += values[leaf + c]!;
    }
    const scale = row(x, i).every(Number.isFinite) ? roots.length : Number.NaN;
    for (let c = 0; c < classes; c++) out[i * classes + c] = sums[c]! / scale;
    if (i % 64 === 63) await stepper.step(i + 1);
  }
  return out;
}

/** Throws a UserError unless each node leads to a later one or is a leaf, so that every walk ends. */
function requireTrees(
  { nodes, thresholds, values, roots }: GrownForest,
  columns: number,
  classes: number,
): void {
  const count = thresholds.length;
  const isSound = (node: number): boolean => {
    const [feature, next] = [nodes[2 * node]!, nodes[2 * node + 1]!];
    if (feature < 0) return next >= 0 && (next + 1) * classes <= values.length;
    return feature < columns && next > node && next < count;
  };
  if (nodes.length !== 2 * count || roots.length === 0 || roots.some((root) => root < 0 || root >= count))
    throw new UserError(`its ${roots.length} trees do not begin among its ${count} nodes`);
  for (let node = 0; node < count; node++)
    if (!isSound(node)) throw new UserError(`node ${node} of its trees leads nowhere`);
}

/** Breiman's random forest, as scikit-learn's RandomForestClassifier. Throws a UserError on impossible settings. */
export function randomForestClassifier(options: ForestOptions = {}): Forest {
  return new Forest("randomForestClassifier", options);
}

/** Extremely randomised trees (Geurts, Ernst and Wehenkel, 2006), as scikit-learn's ExtraTreesClassifier. */
export function extraTreesClassifier(options: ForestOptions = {}): Forest {
  return new Forest("extraTreesClassifier", options);
}
