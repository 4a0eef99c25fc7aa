import { UserError } from "../core/errors.js";
import type { Augmentation } from "./augment.js";
import { Dataset } from "./dataset.js";
import type { DownloadProgress } from "./download.js";
import { type ImageSetName, type LabelledImages, loadImageSet, normalizationOf } from "./fashion_mnist.js";
import type { Normalization } from "./normalization.js";

export {
  type Augmentation,
  type ColorJitterOptions,
  colorJitter,
  compose,
  pcaLighting,
  type RandomAffineOptions,
  type RandomErasingOptions,
  randomAffine,
  randomCrop,
  randomErasing,
  randomHorizontalFlip,
} from "./augment.js";
export { batches, shuffledOrder } from "./batches.js";
export { type Batch, batchCount, Dataset, type DatasetOptions } from "./dataset.js";
export type { ImageSet, ImageSetName, LabelledImages, LoadOptions } from "./fashion_mnist.js";
export { classNamesOf, imageSetTitle, loadImageSet, normalizationOf } from "./fashion_mnist.js";
export { parseIdx } from "./idx.js";
export { readIdx } from "./idx_file.js";
export { type Normalization, requireNormalization, scalePixels } from "./normalization.js";

export interface ImageDataOptions<Size extends number = number> {
  /** Height and width that images are resized to; their own (28) if left out. */
  resize?: Size;
  /** Normalize pixels: `true` by the data set's own mean and deviation. They stay in [0, 1] if left out. */
  normalize?: boolean | Normalization;
  /** Changes the training images anew in each epoch; see {@link randomCrop} and its neighbours. */
  augment?: Augmentation;
  /** A folder that holds the four IDX files, gzipped or not. */
  directory?: string;
  /** Take the shipped sample of 6,000 + 1,000 images. */
  sample?: boolean;
  /** At most so many images of each set, the first ones; all if left out. */
  limit?: number;
  /** Called while a file is downloaded. */
  onProgress?: (progress: DownloadProgress) => void;
}

/** Training and test set, and a sentence on where they come from. */
export interface ImageData<Size extends number = number> {
  readonly trainSet: Dataset<[1, Size, Size], 10>;
  readonly testSet: Dataset<[1, Size, Size], 10>;
  readonly source: string;
  readonly isSample: boolean;
}

/** A data set by name: what `fashionMnist` and `mnist` call. */
export async function loadImageData<Size extends number = 28>(
  name: ImageSetName,
  options: ImageDataOptions<Size> = {},
): Promise<ImageData<Size>> {
  const { resize, normalize = false, augment, limit = Number.POSITIVE_INFINITY, ...rest } = options;
  if (!(limit >= 1)) throw new UserError(`limit is ${limit}; give at least 1 image`);
  const normalization = typeof normalize === "object" ? normalize : normalize ? normalizationOf(name) : null;
  const set = await loadImageSet({ name, ...rest });
  const [train, test] = [first(set.train, limit), first(set.test, limit)];
  const shown = { normalization, ...(resize !== undefined && { size: resize }) };
  const isCut = train.count < set.train.count || test.count < set.test.count;
  return {
    trainSet: new Dataset(train, set.classNames, { ...shown, ...(augment && { augment }) }),
    testSet: new Dataset(test, set.classNames, shown),
    source: isCut
      ? `${set.source} Of these only the first ${train.count} and ${test.count} are taken.`
      : set.source,
    isSample: set.isSample,
  };
}

function first(set: LabelledImages, limit: number): LabelledImages {
  const count = Math.min(set.count, Math.floor(limit));
  const images = set.images.subarray(0, count * set.channels * set.height * set.width);
  return { ...set, images, labels: set.labels.subarray(0, count), count };
}

/**
 * Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017) from the folder you name, the cache, the system's package, a
 * download, or else the shipped sample. Throws a UserError where files are damaged or missing.
 */
export function fashionMnist<Size extends number = 28>(
  options: ImageDataOptions<Size> = {},
): Promise<ImageData<Size>> {
  return loadImageData("fashion-mnist", options);
}

/** MNIST (LeCun et al., 1998), likewise, but for the sample. */
export function mnist<Size extends number = 28>(
  options: ImageDataOptions<Size> = {},
): Promise<ImageData<Size>> {
  return loadImageData("mnist", options);
}
