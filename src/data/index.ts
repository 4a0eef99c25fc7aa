import { type LoadOptions, loadImageSet } from "./fashion_mnist.js";
import { type ExampleOptions, type ImageData, imageDataOf } from "./image_data.js";
import type { DownloadProgress, ImageSetName } from "./image_set.js";

export { type LoadOptions, loadImageSet } from "./fashion_mnist.js";
export { readIdx } from "./idx_file.js";
export * from "./portable.js";

export interface ImageDataOptions<Size extends number = number> extends ExampleOptions<Size> {
  /** A folder that holds the four IDX files, gzipped or not. */
  directory?: string;
  /** Take the shipped sample of 6,000 + 1,000 images. */
  sample?: boolean;
  /** Called while a file is downloaded. */
  onProgress?: (progress: DownloadProgress) => void;
}

/** A data set by name: what `fashionMnist` and `mnist` call. */
export function loadImageData<Size extends number = 28>(
  name: ImageSetName,
  options: ImageDataOptions<Size> = {},
): Promise<ImageData<Size>> {
  const { directory, sample, onProgress } = options;
  const source: LoadOptions = { name, directory, sample, onProgress };
  return imageDataOf(name, options, () => loadImageSet(source));
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
