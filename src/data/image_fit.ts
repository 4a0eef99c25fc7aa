/**
 * The size of a picture whose sides have the ratio of [height, width] and that holds the image: as it is where it is
 * smaller, or else exactly that size. The image lies in the middle, shrunk where it is larger; the rest is black.
 */
export function fittedSize(
  image: { readonly height: number; readonly width: number },
  [height, width]: readonly [number, number],
): { readonly height: number; readonly width: number } {
  const scale = Math.min(1, Math.max(image.height / height, image.width / width));
  return { height: Math.round(height * scale), width: Math.round(width * scale) };
}
