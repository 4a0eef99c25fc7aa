import { UserError } from "../core/errors.js";
import { matmul } from "../ops/matmul.js";
import { transpose } from "../ops/movement.js";
import { sub } from "../ops/pointwise.js";
import { argmax } from "../ops/reduce.js";
import { tensor } from "../tensor/tensor.js";
import { isCount, requireSeed, requireSetting, Stepper, Transformer, type WorkOptions } from "./estimator.js";
import {
  centred,
  columnMeans,
  type Matrix,
  row,
  rowBlocks,
  squaredDistance,
  squaredNorms,
  zeroMatrix,
} from "./matrix.js";
import { uniforms } from "./random.js";

export interface KMeansOptions {
  /** 8 if left out. */
  readonly nClusters?: number;
  /** 300 if left out. */
  readonly maxIter?: number;
  /** Ends where all centres together move by less than this share of the features' mean variance; 1e-4 if left out. */
  readonly tol?: number;
  /** Of the first centres; 0 if left out. */
  readonly randomState?: number;
}

/** Scores of a block of examples by all centres take so many numbers at most. */
const blockNumbers = 1 << 23;

/** Centres that stand for the examples near them: Lloyd's iterations from k-means++ (Arthur and Vassilvitskii, 2007). */
export class KMeans extends Transformer {
  readonly kind = "kMeans";
  protected readonly learned = ["clusterCenters", "inertia", "nIter"];
  /** [clusters, features] */
  clusterCenters: Matrix = zeroMatrix(0, 0);
  /** Squared distances of the examples of `fit` to their centres, together. */
  inertia = 0;
  nIter = 0;

  constructor(readonly options: KMeansOptions = {}) {
    super();
    const { nClusters = 8, maxIter = 300, tol = 1e-4, randomState = 0 } = options;
    requireSetting(isCount(nClusters), "nClusters", nClusters, "a whole number of at least 1");
    requireSetting(isCount(maxIter), "maxIter", maxIter, "a whole number of at least 1");
    requireSetting(tol >= 0, "tol", tol, "a number of at least 0");
    requireSeed(randomState);
  }

  protected override async learn(x: Matrix, options: WorkOptions): Promise<void> {
    const { nClusters = 8, maxIter = 300, tol = 1e-4, randomState = 0 } = this.options;
    if (nClusters > x.rows)
      throw new UserError(`nClusters is ${nClusters} and x has ${x.rows} rows; give at most as many`);
    const mean = Float32Array.from(columnMeans(x));
    const examples = centred(x, mean);
    const variance = squaredNorms(examples).reduce((sum, norm) => sum + norm, 0) / x.rows / x.columns;
    const stepper = new Stepper(options, "iterations", maxIter);
    let centres = await firstCentres(examples, nClusters, randomState, options);
    let labels = await nearest(examples, centres, options);
    let iteration = 0;
    for (let moved = Number.POSITIVE_INFINITY; moved > tol * variance && iteration < maxIter; ) {
      const next = means(examples, labels, centres);
      moved = centres.values.reduce((sum, value, i) => sum + (value - next.values[i]!) ** 2, 0);
      centres = next;
      const found = await nearest(examples, centres, options);
      if (found.every((label, i) => label === labels[i])) moved = 0;
      labels = found;
      await stepper.step(++iteration);
    }
    await stepper.step(maxIter);
    this.nIter = iteration;
    this.inertia = squaredDistances(examples, labels, centres).reduce((sum, value) => sum + value, 0);
    this.clusterCenters = centred(
      centres,
      mean.map((value) => -value),
    );
  }

  /** The number of each row's nearest centre; the first among equals. */
  async predict(x: Matrix, options: WorkOptions = {}): Promise<Int32Array> {
    this.requireFeatures(x);
    const mean = Float32Array.from(columnMeans(this.clusterCenters));
    return nearest(centred(x, mean), centred(this.clusterCenters, mean), options);
  }

  /** Euclidean distances to the centres [rows, clusters], in double precision before they are rounded. */
  protected override async apply(x: Matrix, options: WorkOptions): Promise<Matrix> {
    const clusters = this.clusterCenters.rows;
    const out = zeroMatrix(x.rows, clusters);
    const stepper = new Stepper(options, "examples", x.rows);
    for (let i = 0; i < x.rows; i++) {
      for (let c = 0; c < clusters; c++)
        out.values[i * clusters + c] = Math.sqrt(squaredDistance(row(x, i), row(this.clusterCenters, c)));
      if (i % 64 === 63) await stepper.step(i + 1);
    }
    return out;
  }
}

/** k-means clustering, as scikit-learn's KMeans with one start. Throws a UserError on impossible settings. */
export function kMeans(options: KMeansOptions = {}): KMeans {
  return new KMeans(options);
}

/** Numbers of the centres nearest to rows that are about 0 in the middle. */
async function nearest(x: Matrix, centres: Matrix, { signal }: WorkOptions): Promise<Int32Array> {
  const out = new Int32Array(x.rows);
  const directions = transpose(tensor(centres.values, [centres.rows, centres.columns]));
  const halfNorms = tensor(squaredNorms(centres).map((norm) => norm / 2));
  for (const { start, block } of rowBlocks(x, Math.max(1, Math.floor(blockNumbers / centres.rows)))) {
    signal?.throwIfAborted();
    // Half the squared distance, less what all centres share, and negative.
    const nearness = sub(matmul(tensor(block.values, [block.rows, x.columns]), directions), halfNorms);
    out.set(await argmax(nearness, 1).data(), start);
  }
  return out;
}

/** Each next one is an example, likelier the further it is from those there are: by its squared distance. */
async function firstCentres(x: Matrix, count: number, seed: number, options: WorkOptions): Promise<Matrix> {
  const unit = uniforms(seed);
  const centres = zeroMatrix(count, x.columns);
  const distances = new Float64Array(x.rows).fill(1);
  const stepper = new Stepper(options, "first centres", count);
  for (let c = 0; c < count; c++) {
    const centre = row(centres, c);
    centre.set(row(x, draw(distances, unit())));
    for (let i = 0; i < x.rows; i++) {
      const distance = squaredDistance(row(x, i), centre);
      distances[i] = c === 0 ? distance : Math.min(distances[i]!, distance);
    }
    await stepper.step(c + 1);
  }
  return centres;
}

/** A place by its share of the weights; `unit` is a number of [0, 1). */
function draw(weights: Float64Array, unit: number): number {
  let rest = unit * weights.reduce((sum, weight) => sum + weight, 0);
  const found = weights.findIndex((weight) => {
    rest -= weight;
    return rest < 0;
  });
  return Math.max(0, found);
}

/** Each cluster's mean; one that lost all its examples goes to the example that lies furthest from its own. */
function means(x: Matrix, labels: Int32Array, centres: Matrix): Matrix {
  const { rows: clusters, columns } = centres;
  const sums = new Float64Array(clusters * columns);
  const counts = new Int32Array(clusters);
  for (let i = 0; i < x.rows; i++) {
    const to = labels[i]! * columns;
    counts[labels[i]!]!++;
    for (let j = 0; j < columns; j++) sums[to + j]! += x.values[i * columns + j]!;
  }
  const out = zeroMatrix(clusters, columns);
  for (let at = 0; at < sums.length; at++) out.values[at] = sums[at]! / counts[Math.floor(at / columns)]!;
  if (counts.includes(0)) {
    const distances = squaredDistances(x, labels, centres);
    for (let c = 0; c < clusters; c++) {
      if (counts[c] !== 0) continue;
      const furthest = distances.indexOf(distances.reduce((most, one) => Math.max(most, one), 0));
      row(out, c).set(row(x, furthest));
      distances[furthest] = 0;
    }
  }
  return out;
}

function squaredDistances(x: Matrix, labels: Int32Array, centres: Matrix): Float64Array {
  return Float64Array.from(labels, (label, i) => squaredDistance(row(x, i), row(centres, label)));
}
