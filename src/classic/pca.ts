import { UserError } from "../core/errors.js";
import { matmul } from "../ops/matmul.js";
import { transpose } from "../ops/movement.js";
import { tensor } from "../tensor/tensor.js";
import { symmetricEigen } from "./eigen.js";
import { isCount, requireSetting, Stepper, Transformer, type WorkOptions } from "./estimator.js";
import {
  centred,
  columnMeans,
  type Matrix,
  matrix,
  requireMemory,
  row,
  rowBlocks,
  zeroMatrix,
} from "./matrix.js";

export interface PcaOptions {
  /** So many components; or, between 0 and 1, as many as explain this share of the variance. All if left out. */
  readonly nComponents?: number;
  /** Scale each component to variance 1. */
  readonly whiten?: boolean;
}

/** Rows of a product at a time: few enough for float32 sums, many enough for the cores. */
const blockRows = 4096;

/** The directions of largest variance, from the eigenvectors of the covariance (O(features^3)). */
export class Pca extends Transformer {
  readonly kind = "pca";
  protected readonly learned = ["mean", "components", "explainedVariance", "explainedVarianceRatio"];
  mean = new Float32Array(0);
  /** [components, features], by falling variance; the largest entry of each is positive. */
  components: Matrix = zeroMatrix(0, 0);
  explainedVariance = new Float32Array(0);
  explainedVarianceRatio = new Float32Array(0);

  constructor(readonly options: PcaOptions = {}) {
    super();
    const { nComponents } = options;
    requireSetting(
      nComponents === undefined || isCount(nComponents) || (nComponents > 0 && nComponents < 1),
      "nComponents",
      nComponents,
      "a whole number from 1, or a share of the variance between 0 and 1",
    );
  }

  protected override async learn(x: Matrix, options: WorkOptions): Promise<void> {
    const { rows: n, columns: d } = x;
    const most = Math.min(n, d);
    const { nComponents = most } = this.options;
    if (n < 2) throw new UserError("x has 1 row; pca needs at least two examples");
    if (nComponents > most)
      throw new UserError(
        `nComponents is ${nComponents}; ${n} examples of ${d} features have at most ${most}`,
      );
    requireMemory(3 * 8 * d * d, `covariance and eigenvectors of ${d} features`, "take fewer features");
    this.mean = Float32Array.from(columnMeans(x));
    const { values, vectors } = await symmetricEigen(await covariance(x, this.mean, options), d, options);
    const variances = values.subarray(0, most).map((value) => Math.max(0, value));
    const total = variances.reduce((sum, value) => sum + value, 0);
    const kept = nComponents < 1 ? countFor(variances, nComponents * total) : nComponents;
    this.components = matrix(vectors.subarray(0, kept * d), kept, d);
    for (let i = 0; i < kept; i++) makeLargestPositive(row(this.components, i));
    this.explainedVariance = Float32Array.from(variances.subarray(0, kept));
    this.explainedVarianceRatio = this.explainedVariance.map((value) => (total > 0 ? value / total : 0));
  }

  protected override async apply(x: Matrix, options: WorkOptions): Promise<Matrix> {
    const { rows: kept, columns } = this.components;
    const directions = transpose(tensor(this.components.values, [kept, columns]));
    const out = zeroMatrix(x.rows, kept);
    await forEachBlock(x, this.mean, options, async (block, start) => {
      const projected = await matmul(tensor(block.values, [block.rows, columns]), directions).data();
      out.values.set(projected, start * kept);
    });
    if (this.options.whiten)
      for (let i = 0; i < out.values.length; i++)
        out.values[i]! /= Math.sqrt(Math.max(this.explainedVariance[i % kept]!, 1e-30));
    return out;
  }
}

/** Principal component analysis, as scikit-learn's PCA. Throws a UserError on an impossible number of components. */
export function pca(options: PcaOptions = {}): Pca {
  return new Pca(options);
}

/** Rows less the mean, a block at a time. */
async function forEachBlock(
  x: Matrix,
  mean: Float32Array,
  options: WorkOptions,
  use: (block: Matrix, start: number) => Promise<void>,
): Promise<void> {
  const stepper = new Stepper(options, "examples", x.rows);
  for (const { start, block } of rowBlocks(x, blockRows)) {
    await use(centred(block, mean), start);
    await stepper.step(start + block.rows);
  }
}

/** X'X / (n - 1) of the centred rows: float32 products of blocks, summed in double precision. */
async function covariance(x: Matrix, mean: Float32Array, options: WorkOptions): Promise<Float64Array> {
  const d = x.columns;
  const sum = new Float64Array(d * d);
  await forEachBlock(x, mean, options, async (block) => {
    const centred = tensor(block.values, [block.rows, d]);
    const product = await matmul(transpose(centred), centred).data();
    for (let i = 0; i < sum.length; i++) sum[i]! += product[i]!;
  });
  return sum.map((value) => value / (x.rows - 1));
}

/** How many of the first values add up to `amount`. */
function countFor(values: Float64Array, amount: number): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    sum += values[i]!;
    if (sum >= amount) return i + 1;
  }
  return values.length;
}

function makeLargestPositive(vector: Float32Array): void {
  let largest = 0;
  for (const value of vector) if (Math.abs(value) > Math.abs(largest)) largest = value;
  if (largest < 0) for (let j = 0; j < vector.length; j++) vector[j] = -vector[j]!;
}
