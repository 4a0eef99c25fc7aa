import { UserError } from "../core/errors.js";
import type { Augmentation } from "./augment.js";
import { Dataset } from "./dataset.js";
import { type ImageSet, type ImageSetName, type LabelledImages, normalizationOf } from "./image_set.js";
import type { Normalization } from "./normalization.js";

/** How examples are made of a data set's images. */
export interface ExampleOptions<Size extends number = number> {
  /** Height and width that images are resized to; their own (28) if left out. */
  resize?: Size;
  /** Normalize pixels: `true` by the data set's own mean and deviation. They stay in [0, 1] if left out. */
  normalize?: boolean | Normalization;
  /** Changes the training images anew in each epoch; see {@link randomCrop} and its neighbours. */
  augment?: Augmentation;
  /** At most so many images of each set, the first ones; all if left out. */
  limit?: number;
}

/** Training and test set, and a sentence on where they come from. */
export interface ImageData<Size extends number = number> {
  readonly trainSet: Dataset<[1, Size, Size], 10>;
  readonly testSet: Dataset<[1, Size, Size], 10>;
  readonly source: string;
  readonly isSample: boolean;
}

/** The data sets of a set's images. Throws a UserError on a limit below 1, which is told before `load` is called. */
export async function imageDataOf<Size extends number = 28>(
  name: ImageSetName,
  options: ExampleOptions<Size>,
  load: () => Promise<ImageSet>,
): Promise<ImageData<Size>> {
  const { resize, normalize = false, augment, limit = Number.POSITIVE_INFINITY } = options;
  if (!(limit >= 1)) throw new UserError(`limit is ${limit}; give at least 1 image`);
  const normalization = typeof normalize === "object" ? normalize : normalize ? normalizationOf(name) : null;
  const set = await load();
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
