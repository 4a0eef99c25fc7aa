import { fittedSize } from "flybrick/data";
import type { Picture } from "./looks.js";

/** Of red, green and blue in what looks grey: Rec. ITU-R BT.709. */
const luma = [0.2126, 0.7152, 0.0722] as const;

/**
 * An image file in grey, shrunk into a picture of [height, width] at most and in its middle; with `invert` light becomes
 * dark, for dark things on white. Throws where the browser cannot decode it.
 */
export async function readPicture(
  file: Blob,
  size: readonly [number, number],
  invert: boolean,
): Promise<Picture> {
  const image = await createImageBitmap(file, { imageOrientation: "from-image" });
  const { height, width } = fittedSize(image, size);
  const scale = Math.min(1, height / image.height, width / image.width);
  const shrunk = {
    width: Math.max(1, Math.round(image.width * scale)),
    height: Math.max(1, Math.round(image.height * scale)),
  };
  const small = await createImageBitmap(image, {
    ...{ resizeWidth: shrunk.width, resizeHeight: shrunk.height, resizeQuality: "high" },
  });
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.fillStyle = invert ? "white" : "black";
  context.fillRect(0, 0, width, height);
  context.drawImage(small, Math.floor((width - shrunk.width) / 2), Math.floor((height - shrunk.height) / 2));
  image.close();
  small.close();
  const pixels = context.getImageData(0, 0, width, height).data;
  const data = Uint8ClampedArray.from({ length: width * height }, (_, i) => {
    const grey = luma.reduce((sum, share, c) => sum + share * pixels[4 * i + c]!, 0);
    return invert ? 255 - grey : grey;
  });
  return { data, width, height };
}
