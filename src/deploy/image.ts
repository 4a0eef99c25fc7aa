import { readFile } from "node:fs/promises";
import type { Sharp } from "sharp";
import { fileProblem, UserError } from "../core/errors.js";
import { fittedSize } from "../data/image_fit.js";
import type { Pixels } from "./classify.js";
import { loadSharp } from "./sharp.js";

/** A file's path, a PNG, JPEG or WebP file's bytes, or pixels. */
export type ImageInput = string | Uint8Array | Pixels;

const formats = ["png", "jpeg", "webp"];

/**
 * An image as a network wants it, except that an image smaller than [height, width] stays small: `channels` 1 (grey)
 * or 3 (colour), the sides' ratio that of `height` and `width`, turned as its camera was held. A larger image is shrunk
 * (Lanczos); margins and what is transparent become black, after `invert` turned light into dark. Throws a UserError on
 * a file that cannot be read or is no such image, or where sharp is needed and not installed.
 */
export async function fitImage(
  image: ImageInput,
  channels: number,
  [height, width]: readonly [number, number],
  invert: boolean,
): Promise<Pixels> {
  const fitted =
    typeof image === "string" || image instanceof Uint8Array
      ? await fitFile(image, channels, height, width, invert)
      : await fitPixels(image, channels, height, width, invert);
  return invert ? { ...fitted, data: fitted.data.map((value) => 255 - value) } : fitted;
}

async function fitFile(
  image: string | Uint8Array,
  channels: number,
  height: number,
  width: number,
  invert: boolean,
): Promise<Pixels> {
  const name = typeof image === "string" ? image : "the image";
  const bytes =
    typeof image === "string"
      ? await readFile(image).catch((error: unknown) => {
          throw new UserError(`${image} cannot be read, because ${fileProblem(error)}: name an image file`);
        })
      : image;
  const open = await loadSharp();
  const decoder = bytes.length === 0 ? undefined : open(bytes);
  const head = await decoder?.metadata().catch(() => undefined);
  if (!decoder || !head || !formats.includes(head.format))
    throw new UserError(`${name} is not a PNG, JPEG or WebP image`);
  const canvas = fittedSize(head.autoOrient, [height, width]);
  return shrink(decoder.autoOrient(), name, channels, canvas, invert);
}

async function fitPixels(
  image: Pixels,
  channels: number,
  height: number,
  width: number,
  invert: boolean,
): Promise<Pixels> {
  const given = image.data.length / (image.width * image.height);
  if (![1, 2, 3, 4].includes(given)) {
    throw new UserError(
      `pixels: ${image.data.length} bytes are not ${image.width} x ${image.height} pixels of 1 to 4 channels`,
    );
  }
  const canvas = fittedSize(image, [height, width]);
  // Nothing to do, and no sharp needed for it.
  if (given === channels && canvas.height === image.height && canvas.width === image.width) return image;
  const open = await loadSharp();
  const raw = { width: image.width, height: image.height, channels: given as 1 | 2 | 3 | 4 };
  return shrink(open(image.data, { raw }), "the image", channels, canvas, invert);
}

async function shrink(
  image: Sharp,
  name: string,
  channels: number,
  canvas: { height: number; width: number },
  invert: boolean,
): Promise<Pixels> {
  const background = invert ? "white" : "black";
  try {
    const { data, info } = await image
      .flatten({ background })
      .resize({ ...canvas, fit: "contain", background })
      .toColourspace(channels === 1 ? "b-w" : "srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== channels) throw new Error(`it decodes to ${info.channels} channels`);
    return { data, width: info.width, height: info.height };
  } catch (error) {
    const reason = (error as Error).message.split("\n")[0];
    throw new UserError(`${name} is damaged (${reason}): get it again`, { cause: error });
  }
}
