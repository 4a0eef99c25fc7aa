import { conv2d } from "../ops/conv.js";
import { flatten } from "../ops/movement.js";
import { relu } from "../ops/pointwise.js";
import { avgPool2d, maxPool2d } from "../ops/pool.js";
import { type Tensor, tensor } from "../tensor/tensor.js";
import { isCount, requireSeed, requireSetting, Transformer, type WorkOptions } from "./estimator.js";
import { imageShapeOf, imageTensor, mapBatches } from "./images.js";
import { type Matrix, row, zeroMatrix } from "./matrix.js";
import { normals } from "./random.js";

export interface RandomConvOptions {
  /** 64 if left out. */
  readonly nFilters?: number;
  /** Height and width of a filter; 5 if left out. */
  readonly kernelSize?: number;
  /** Height and width of a pooling window, and its stride; 4 if left out. */
  readonly poolSize?: number;
  /** `average` if left out. */
  readonly pool?: "average" | "max";
  /** Height and width of the images in a row of pixels; squares if left out. */
  readonly imageSize?: readonly [number, number];
  /** Of the filters; 0 if left out. */
  readonly randomState?: number;
}

const batchSize = 64;

/** Grey images, as rows of pixels, to the pooled answers of filters that nobody trained. */
export class RandomConvFeatures extends Transformer {
  readonly kind = "randomConvFeatures";
  protected readonly learned = ["filters"];
  /** [filters, kernel pixels], each of sum 0 and length 1: it answers to contrast alone. */
  filters: Matrix = zeroMatrix(0, 0);

  constructor(readonly options: RandomConvOptions = {}) {
    super();
    const { nFilters = 64, kernelSize = 5, poolSize = 4, pool = "average", randomState = 0 } = options;
    requireSetting(isCount(nFilters), "nFilters", nFilters, "a whole number of at least 1");
    requireSetting(
      isCount(kernelSize) && kernelSize > 1,
      "kernelSize",
      kernelSize,
      "a whole number of at least 2",
    );
    requireSetting(isCount(poolSize), "poolSize", poolSize, "a whole number of at least 1");
    requireSetting(pool === "average" || pool === "max", "pool", pool, "average or max");
    requireSeed(randomState);
  }

  protected override async learn(x: Matrix): Promise<void> {
    const { nFilters = 64, kernelSize = 5, poolSize = 4, randomState = 0, imageSize } = this.options;
    const [, height, width] = imageShapeOf(x.columns, 1, imageSize);
    const most = Math.min(height, width) - kernelSize + 1;
    requireSetting(
      most >= 1,
      "kernelSize",
      kernelSize,
      `at most the images' smaller side, ${most + kernelSize - 1}`,
    );
    requireSetting(
      poolSize <= most,
      "poolSize",
      poolSize,
      `at most ${most}, what the filters leave of the images`,
    );
    const filters = zeroMatrix(nFilters, kernelSize ** 2);
    const normal = normals(randomState);
    for (let f = 0; f < nFilters; f++) row(filters, f).set(contrast(kernelSize ** 2, normal));
    this.filters = filters;
  }

  protected override apply(x: Matrix, options: WorkOptions): Promise<Matrix> {
    const { kernelSize = 5, poolSize = 4, pool = "average", imageSize } = this.options;
    const shape = imageShapeOf(x.columns, 1, imageSize);
    const { rows: count, values } = this.filters;
    const weight = tensor(values, [count, 1, kernelSize, kernelSize]);
    const pooled = pool === "max" ? maxPool2d : avgPool2d;
    const record = (block: Matrix): Tensor => {
      const answers: Tensor = relu(conv2d(imageTensor(block, shape), weight));
      return flatten(pooled(answers, { kernelSize: poolSize, stride: poolSize }) as Tensor, 1);
    };
    const [height, width] = shape.slice(1).map((side) => Math.floor((side - kernelSize + 1) / poolSize));
    return mapBatches(x, batchSize, count * height! * width!, record, options);
  }
}

/**
 * Random filters, ReLU and pooling (Jarrett et al., 2009; Saxe et al., 2011): [images, filters x rows x columns]. `fit`
 * draws the filters and learns nothing of the images but how many pixels they have. Throws a UserError on impossible
 * settings.
 */
export function randomConvFeatures(options: RandomConvOptions = {}): RandomConvFeatures {
  return new RandomConvFeatures(options);
}

/** Normal numbers less their mean, of length 1. */
function contrast(count: number, normal: () => number): Float64Array {
  const values = Float64Array.from({ length: count }, normal);
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const length = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0));
  return values.map((value) => (value - mean) / length);
}
