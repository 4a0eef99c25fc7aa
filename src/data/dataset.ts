import { UserError } from "../core/errors.js";
import type { Shape } from "../core/shape.js";
import type { Batched, Unknown } from "../core/shape_types.js";
import { gather } from "../ops/gather.js";
import { cast } from "../ops/pointwise.js";
import { resize } from "../ops/resize.js";
import { type Tensor, tensor } from "../tensor/tensor.js";
import type { Augmentation } from "./augment.js";
import type { LabelledImages } from "./image_set.js";
import { type Normalization, normalize, requireNormalization, scalePixels } from "./normalization.js";

/** A batch on the device: images f32 [n, channels, height, width], in [0, 1] unless normalized, labels i32 [n]. */
export interface Batch<Example extends Shape = Unknown> {
  readonly x: Tensor<Batched<Example>, "f32">;
  readonly y: Tensor<[number], "i32">;
}

export interface DatasetOptions {
  /** Height and width of an example; the images' own if left out. */
  readonly size?: number;
  /** How pixels are normalized; they stay in [0, 1] if left out. */
  readonly normalization?: Normalization | null;
  /** Changes each batch anew, while its images have their own size and are in [0, 1]; nothing does if left out. */
  readonly augment?: Augmentation;
}

/**
 * Labelled images that live on the device as bytes, uploaded once. A batch is gathered, scaled to [0, 1], augmented
 * and normalized where asked, and resized there, as part of the step that uses it. Throws a RangeError where a
 * normalization has no finite mean or no finite deviation above 0. Its type carries an example's shape and the number
 * of classes where the compiler knows them.
 */
export class Dataset<
  Example extends readonly [number, number, number] = Unknown,
  Classes extends number = Unknown,
> {
  /** Exists in types only. */
  declare readonly "~classes": Classes;
  private readonly images: Tensor;
  private readonly labels: Tensor;
  readonly count: number;
  /** [channels, height, width] of an example, after resizing. */
  readonly shape: 0 extends 1 & Example ? readonly [number, number, number] : Readonly<Example>;

  constructor(
    source: LabelledImages,
    readonly classNames: readonly string[],
    private readonly options: DatasetOptions = {},
  ) {
    const { size, normalization } = options;
    if (normalization) requireNormalization(normalization);
    const { images, labels, count, height, width, channels } = source;
    this.count = count;
    this.shape = [channels, size ?? height, size ?? width] as Unknown;
    this.images = tensor(images, [count, channels, height, width]);
    this.labels = tensor(Int32Array.from(labels));
  }

  /** The examples with these numbers, recorded; nothing is computed until the batch is used. */
  batch(numbers: Int32Array): Batch<Example> {
    const index = tensor(numbers);
    const bytes = cast(gather(this.images, index), "f32");
    const { augment, normalization = null } = this.options;
    const pixels = augment
      ? normalize(augment(scalePixels(bytes, null)), normalization)
      : scalePixels(bytes, normalization);
    return { x: resize(pixels, [this.shape[1], this.shape[2]]), y: gather(this.labels, index) };
  }
}

/** Number of batches of `batchSize` in `count` examples, the smaller last one included. Throws a UserError where the batch is larger than the set. */
export function batchCount(count: number, batchSize: number): number {
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new UserError(`batch size is ${batchSize}; give a whole number of at least 1`);
  if (batchSize > count)
    throw new UserError(
      `batch size ${batchSize} is larger than the data set of ${count} examples; choose a smaller one`,
    );
  return Math.ceil(count / batchSize);
}
