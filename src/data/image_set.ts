import { UserError } from "../core/errors.js";
import type { IdxArray } from "./idx.js";
import type { Normalization } from "./normalization.js";

/** Grey images of one size with their labels, as bytes. */
export interface LabelledImages {
  /** [count, height, width], row by row, 0 is black */
  images: Uint8Array;
  /** [count], indices into the class names */
  labels: Uint8Array;
  count: number;
  height: number;
  width: number;
  channels: 1;
}

export interface ImageSet {
  train: LabelledImages;
  test: LabelledImages;
  classNames: readonly string[];
  /** A sentence for people: which data these are and where they came from. */
  source: string;
  isSample: boolean;
}

export type ImageSetName = "fashion-mnist" | "mnist";

/** How far a download is: bytes that arrived, and of how many if the server tells. */
export interface DownloadProgress {
  file: string;
  received: number;
  total: number | undefined;
}

/** The four files of a set. */
export const fileNames = [
  "train-images-idx3-ubyte",
  "train-labels-idx1-ubyte",
  "t10k-images-idx3-ubyte",
  "t10k-labels-idx1-ubyte",
] as const;

export type FileName = (typeof fileNames)[number];

/** What is known of a data set, wherever its files are. */
export interface ImageSetFacts {
  readonly title: string;
  readonly classNames: readonly string[];
  /** Of all pixels of the training images, in [0, 1]. */
  readonly normalization: Normalization;
}

export const imageSets: Readonly<Record<ImageSetName, ImageSetFacts>> = {
  "fashion-mnist": {
    title: "Fashion-MNIST",
    // biome-ignore format: one line reads better
    classNames: ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"],
    normalization: { mean: 0.286, std: 0.353 },
  },
  mnist: {
    title: "MNIST",
    classNames: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    normalization: { mean: 0.1307, std: 0.3081 },
  },
};

/** Mean and deviation of a data set's training pixels, in [0, 1]. Throws a UserError if there is no such data set. */
export function normalizationOf(name: ImageSetName): Normalization {
  return factsOf(name).normalization;
}

/** Names of a data set's classes, by label. Throws a UserError if there is no such data set. */
export function classNamesOf(name: ImageSetName): readonly string[] {
  return factsOf(name).classNames;
}

/** A data set's name as people write it. Throws a UserError if there is no such data set. */
export function imageSetTitle(name: ImageSetName): string {
  return factsOf(name).title;
}

/** What is known of a data set. Throws a UserError if there is none of that name. */
export function factsOf(name: ImageSetName): ImageSetFacts {
  if (!Object.hasOwn(imageSets, name)) {
    const names = Object.keys(imageSets).join(" or ");
    throw new UserError(`There is no data set called "${name}": choose ${names}.`);
  }
  return imageSets[name];
}

/** An array with what messages call its file. */
export interface IdxFile {
  readonly name: string;
  readonly array: IdxArray;
}

/**
 * A set of the four files that `read` gives; `whence` ends the sentence on where they come from. Throws what `read`
 * throws, and a UserError where a file disagrees with its companion.
 */
export async function readImageSet(
  { title, classNames }: ImageSetFacts,
  read: (name: FileName) => Promise<IdxFile>,
  whence: string,
): Promise<ImageSet> {
  const files = (await Promise.all(fileNames.map(read))) as [IdxFile, IdxFile, IdxFile, IdxFile];
  const [trainImages, trainLabels, testImages, testLabels] = files;
  const train = labelledImages(trainImages, trainLabels, classNames.length);
  const test = labelledImages(testImages, testLabels, classNames.length);
  if (train.height !== test.height || train.width !== test.width) {
    throw new UserError(
      `${trainImages.name} holds images of ${train.height} x ${train.width} pixels but ${testImages.name} of ` +
        `${test.height} x ${test.width}: take both from the same data set.`,
    );
  }
  const counts = [train, test].map(({ count }) => count.toLocaleString("en-US"));
  const source = `${title}, ${counts[0]} training and ${counts[1]} test images, ${whence}.`;
  return { train, test, classNames, source, isSample: false };
}

function labelledImages(imageFile: IdxFile, labelFile: IdxFile, classes: number): LabelledImages {
  const { name: imagePath, array: images } = imageFile;
  const { name: labelPath, array: labels } = labelFile;
  if (images.shape.length !== 3 || images.data.length === 0) {
    throw new UserError(
      `${imagePath} has the shape [${images.shape.join(", ")}], not [count, height, width] with at least ` +
        "one image: put the image file there.",
    );
  }
  if (labels.shape.length !== 1) {
    throw new UserError(
      `${labelPath} has the shape [${labels.shape.join(", ")}], not [count]: put the label file there.`,
    );
  }
  const [count, height, width] = images.shape as [number, number, number];
  if (count !== labels.shape[0]) {
    throw new UserError(
      `${imagePath} holds ${count} images but ${labelPath} ${labels.shape[0]} labels: ` +
        "take both from the same data set.",
    );
  }
  const bad = labels.data.findIndex((label) => label >= classes);
  if (bad >= 0) {
    throw new UserError(
      `${labelPath} has the label ${labels.data[bad]} at index ${bad}, above ${classes - 1}: ` +
        `correct the file, the ${classes} classes are 0 to ${classes - 1}.`,
    );
  }
  return { images: images.data, labels: labels.data, count, height, width, channels: 1 };
}
