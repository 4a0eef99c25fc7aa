import { encode } from "fast-png";

/** Pixels by rows: one channel, or three planes (red, green, blue) after each other. */
export interface Pixels {
  readonly data: ArrayLike<number>;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
}

/** A photograph: its darkest value black, its brightest white. A PNG's data URI. */
export function photograph({ data, width, height, channels }: Pixels): string {
  const values = Array.from(data);
  const low = Math.min(...values.filter(Number.isFinite));
  const span = Math.max(...values.filter(Number.isFinite)) - low || 1;
  const plane = width * height;
  const bytes = new Uint8Array(plane * channels);
  for (let i = 0; i < plane; i++)
    for (let c = 0; c < channels; c++)
      bytes[i * channels + c] = Math.round((255 * (values[c * plane + i]! - low)) / span);
  return dataUri(encode({ width, height, data: bytes, channels, depth: 8 }));
}

/**
 * Signed values: blue above zero, orange below, the stronger the more opaque, so that zero shows the paper, light or
 * dark. `scale` is the value that is opaque. A PNG's data URI.
 */
export function signed({ data, width, height }: Pixels, scale: number): string {
  return dataUri(encode({ width, height, data: signedBytes(data, scale), channels: 4, depth: 8 }));
}

/** The same as red, green, blue and opacity of each pixel. */
export function signedBytes(data: ArrayLike<number>, scale: number): Uint8ClampedArray<ArrayBuffer> {
  const bytes = new Uint8ClampedArray(4 * data.length);
  for (let i = 0; i < data.length; i++) {
    const value = data[i]! / (scale || 1);
    bytes.set(value < 0 ? [222, 110, 30] : [32, 128, 196], 4 * i);
    bytes[4 * i + 3] = Math.round(255 * Math.min(1, Math.abs(value)));
  }
  return bytes;
}

function dataUri(png: Uint8Array): string {
  let text = "";
  for (const byte of png) text += String.fromCharCode(byte);
  return `data:image/png;base64,${btoa(text)}`;
}
