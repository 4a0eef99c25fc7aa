import { UserError } from "../core/errors.js";
import { matmul } from "../ops/matmul.js";
import { transpose } from "../ops/movement.js";
import { sub } from "../ops/pointwise.js";
import { tensor } from "../tensor/tensor.js";
import {
  Classifier,
  isCount,
  largestInRows,
  requireSetting,
  Stepper,
  type WorkOptions,
} from "./estimator.js";
import {
  centred,
  columnMeans,
  type Matrix,
  row,
  squaredDistance,
  squaredNorms,
  zeroMatrix,
} from "./matrix.js";

export interface KNeighborsOptions {
  /** 5 if left out. */
  readonly nNeighbors?: number;
  /** Every neighbour's vote counts one, or one over its distance; `uniform` if left out. */
  readonly weights?: "uniform" | "distance";
}

export interface Neighbors {
  /** [rows, nNeighbors], nearest first: numbers of training examples. */
  readonly indices: Int32Array;
  /** Euclidean, in double precision. */
  readonly distances: Float64Array;
}

/** Scores of a block of queries by all examples take so many numbers at most. */
const blockNumbers = 1 << 24;
/** Candidates beyond the neighbours asked for, since the products that choose them are rounded. */
const spare = 8;

/** The classes of the nearest training examples vote; distances by matrix products, exact for the nearest. */
export class KNeighborsClassifier extends Classifier {
  readonly kind = "kNeighborsClassifier";
  protected readonly learned = ["examples", "mean", "labels"];
  /** Less `mean`, so that products of far-off features do not cancel. */
  private examples: Matrix = zeroMatrix(0, 0);
  private mean = new Float32Array(0);
  private labels = new Int32Array(0);

  constructor(readonly options: KNeighborsOptions = {}) {
    super();
    const { nNeighbors = 5, weights = "uniform" } = options;
    requireSetting(isCount(nNeighbors), "nNeighbors", nNeighbors, "a whole number of at least 1");
    requireSetting(
      weights === "uniform" || weights === "distance",
      "weights",
      weights,
      "uniform or distance",
    );
  }

  protected override async learn(x: Matrix, y: Int32Array): Promise<void> {
    const { nNeighbors = 5 } = this.options;
    if (nNeighbors > x.rows)
      throw new UserError(`nNeighbors is ${nNeighbors} and x has ${x.rows} rows; give at most as many`);
    this.mean = Float32Array.from(columnMeans(x));
    this.examples = centred(x, this.mean);
    this.labels = Int32Array.from(y);
  }

  /** The nearest training examples of each row; the first in their order among equals. */
  async kneighbors(x: Matrix, options: WorkOptions = {}): Promise<Neighbors> {
    this.requireFeatures(x);
    const { rows: n, columns } = this.examples;
    const { nNeighbors = 5 } = this.options;
    const kept = Math.min(n, nNeighbors + spare);
    const indices = new Int32Array(x.rows * nNeighbors);
    const distances = new Float64Array(x.rows * nNeighbors);
    const queries = centred(x, this.mean);
    const examples = transpose(tensor(this.examples.values, [n, columns]));
    const halfNorms = tensor(squaredNorms(this.examples).map((norm) => norm / 2));
    const stepper = new Stepper(options, "examples", x.rows);
    const size = Math.max(1, Math.floor(blockNumbers / n));
    for (let start = 0; start < x.rows; start += size) {
      const count = Math.min(size, x.rows - start);
      const block = tensor(queries.values.subarray(start * columns, (start + count) * columns), [
        count,
        columns,
      ]);
      // Half the squared distance, less what all examples share, and negative.
      const nearness = await sub(matmul(block, examples), halfNorms).data();
      for (let i = 0; i < count; i++) {
        const query = row(queries, start + i);
        const near = Array.from(largest(nearness.subarray(i * n, (i + 1) * n), kept), (index) => ({
          index,
          distance: Math.sqrt(squaredDistance(query, row(this.examples, index))),
        }));
        near.sort((a, b) => a.distance - b.distance || a.index - b.index);
        for (let j = 0; j < nNeighbors; j++) {
          indices[(start + i) * nNeighbors + j] = near[j]!.index;
          distances[(start + i) * nNeighbors + j] = near[j]!.distance;
        }
      }
      await stepper.step(start + count);
    }
    return { indices, distances };
  }

  /** Share of the votes [rows, classes] in the order of `classes`. */
  async predictProba(x: Matrix, options: WorkOptions = {}): Promise<Float32Array> {
    const { indices, distances } = await this.kneighbors(x, options);
    const { nNeighbors = 5, weights } = this.options;
    const classes = this.classes.length;
    const votes = new Float32Array(x.rows * classes);
    for (let i = 0; i < x.rows; i++) {
      const weight = weightsOf(
        distances.subarray(i * nNeighbors, (i + 1) * nNeighbors),
        weights === "distance",
      );
      const total = weight.reduce((sum, value) => sum + value, 0);
      for (let j = 0; j < nNeighbors; j++)
        votes[i * classes + this.labels[indices[i * nNeighbors + j]!]!]! += weight[j]! / total;
    }
    return votes;
  }

  protected override async decide(x: Matrix, options: WorkOptions): Promise<Int32Array> {
    return largestInRows(await this.predictProba(x, options), this.classes.length);
  }
}

/** k nearest neighbours, as scikit-learn's KNeighborsClassifier. Throws a UserError on impossible settings. */
export function kNeighborsClassifier(options: KNeighborsOptions = {}): KNeighborsClassifier {
  return new KNeighborsClassifier(options);
}

/** Examples at distance 0 outvote all others. */
function weightsOf(distances: Float64Array, byDistance: boolean): Float64Array {
  if (!byDistance) return distances.map(() => 1);
  return distances.includes(0)
    ? distances.map((one) => (one === 0 ? 1 : 0))
    : distances.map((one) => 1 / one);
}

/** Numbers of the `count` largest values, largest first. */
function largest(values: Float32Array, count: number): Int32Array {
  const found = new Int32Array(count);
  let size = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (size === count && value <= values[found[size - 1]!]!) continue;
    let at = size < count ? size++ : size - 1;
    for (; at > 0 && values[found[at - 1]!]! < value; at--) found[at] = found[at - 1]!;
    found[at] = i;
  }
  return found;
}
