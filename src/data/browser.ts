import { type ExampleOptions, type ImageData, imageDataOf } from "./image_data.js";
import type { ImageSetName } from "./image_set.js";
import { loadImageSet, type WebSource } from "./web_files.js";

export * from "./portable.js";
export { loadImageSet, type WebSource } from "./web_files.js";

export type ImageDataOptions<Size extends number = number> = ExampleOptions<Size> & WebSource;

/** A data set by name: what `fashionMnist` and `mnist` call. */
export function loadImageData<Size extends number = 28>(
  name: ImageSetName,
  options: ImageDataOptions<Size>,
): Promise<ImageData<Size>> {
  return imageDataOf(name, options, () => loadImageSet({ name, ...options }));
}

/**
 * Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017) from a folder that a server offers, or from files that the user chose.
 * Throws a UserError where files are damaged or missing.
 */
export function fashionMnist<Size extends number = 28>(
  options: ImageDataOptions<Size>,
): Promise<ImageData<Size>> {
  return loadImageData("fashion-mnist", options);
}

/** MNIST (LeCun et al., 1998), likewise. */
export function mnist<Size extends number = 28>(options: ImageDataOptions<Size>): Promise<ImageData<Size>> {
  return loadImageData("mnist", options);
}
