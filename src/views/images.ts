import { elementCount, type Shape, showShape } from "../core/shape.js";

export interface ImagesOptions {
  /** One line of text under each image. */
  captions?: readonly string[] | undefined;
  /** Images in a row; 10 if left out. */
  columns?: number | undefined;
  /** How wide an image is drawn, in pixels; 84 if left out. */
  width?: number | undefined;
}

const gap = 6;
const captionHeight = 18;
const fontFamily = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', Arial, sans-serif";

/**
 * Draws a batch of images [count, channels, height, width] (1 channel for grey, 3 for red, green and blue; values
 * in [0, 1], others are clamped) in a grid, as a standalone SVG document. Throws a RangeError on another shape.
 */
export function imagesSvg(pixels: ArrayLike<number>, shape: Shape, options: ImagesOptions = {}): string {
  const { captions, columns = 10, width = 84 } = options;
  const [count = 0, channels, rows, cols] = shape;
  if (shape.length !== 4 || (channels !== 1 && channels !== 3) || pixels.length !== elementCount(shape)) {
    throw new RangeError(
      `imagesSvg draws images [count, 1 or 3, height, width] with a value for each pixel, not ${pixels.length} ` +
        `values of shape ${showShape(shape)}`,
    );
  }
  const height = (width * rows!) / cols!;
  const step = height + gap + (captions ? captionHeight : 0);
  const total = [
    gap + Math.min(count, columns) * (width + gap),
    Math.ceil(gap + Math.ceil(count / columns) * step),
  ];
  const perImage = channels * rows! * cols!;
  const drawn = Array.from({ length: count }, (_, i) => {
    const x = gap + (i % columns) * (width + gap);
    const y = gap + Math.floor(i / columns) * step;
    const bytes = interleaved(pixels, i * perImage, channels, rows! * cols!);
    const href = `data:image/png;base64,${base64(png(bytes, cols!, rows!, channels))}`;
    const caption = captions?.[i];
    const text =
      caption === undefined
        ? ""
        : `<text x="${x + width / 2}" y="${y + height + 13}" text-anchor="middle">${escaped(caption)}</text>`;
    return `<image x="${x}" y="${y}" width="${width}" height="${height}" style="image-rendering:pixelated" href="${href}"/>${text}`;
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${total[0]}" height="${total[1]}" viewBox="0 0 ${total[0]} ${total[1]}" ` +
    `font-family="${fontFamily}" font-size="12" fill="#222222" role="img" aria-label="${count} images">` +
    `<rect width="${total[0]}" height="${total[1]}" fill="#ffffff"/>${drawn.join("")}</svg>\n`
  );
}

/** An image's planes as bytes, channel by channel for each pixel. */
function interleaved(
  pixels: ArrayLike<number>,
  start: number,
  channels: number,
  plane: number,
): Uint8ClampedArray {
  return Uint8ClampedArray.from(
    { length: channels * plane },
    (_, i) => 255 * pixels[start + (i % channels) * plane + Math.floor(i / channels)]!,
  );
}

/** A PNG (ISO/IEC 15948) with its data stored, not compressed: a page needs no library to draw one. */
function png(bytes: Uint8ClampedArray, width: number, height: number, channels: 1 | 3): Uint8Array {
  const line = width * channels;
  const raw = new Uint8Array(height * (line + 1));
  for (let y = 0; y < height; y++) raw.set(bytes.subarray(y * line, (y + 1) * line), y * (line + 1) + 1);
  const header = [...bigEndian(width), ...bigEndian(height), 8, channels === 3 ? 2 : 0, 0, 0, 0];
  return Uint8Array.from([
    ...[0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
    ...chunk("IHDR", header),
    ...chunk("IDAT", zlibStored(raw)),
    ...chunk("IEND", []),
  ]);
}

function chunk(type: string, body: readonly number[]): number[] {
  const named = [...[...type].map((letter) => letter.charCodeAt(0)), ...body];
  return [...bigEndian(body.length), ...named, ...bigEndian(crc32(named))];
}

/** A zlib stream of stored blocks (RFC 1950 and 1951). */
function zlibStored(bytes: Uint8Array): number[] {
  const out = [0x78, 0x01];
  const most = 65_535;
  for (let at = 0; at < bytes.length; at += most) {
    const block = bytes.subarray(at, at + most);
    const [low, high] = [block.length & 255, block.length >> 8];
    const isLast = at + most >= bytes.length ? 1 : 0;
    out.push(isLast, low, high, low ^ 255, high ^ 255);
    for (const byte of block) out.push(byte);
  }
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  out.push(...bigEndian(b * 65_536 + a));
  return out;
}

function crc32(bytes: readonly number[]): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function bigEndian(value: number): [number, number, number, number] {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
