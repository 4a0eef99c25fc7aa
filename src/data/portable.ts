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
export { parseIdx } from "./idx.js";
export type { ExampleOptions, ImageData } from "./image_data.js";
export { fittedSize } from "./image_fit.js";
export type { DownloadProgress, ImageSet, ImageSetName, LabelledImages } from "./image_set.js";
export { classNamesOf, imageSetTitle, normalizationOf } from "./image_set.js";
export { type Normalization, requireNormalization, scalePixels } from "./normalization.js";
