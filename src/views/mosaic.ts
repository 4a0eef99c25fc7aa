import type { LayerActivation } from "./activations.js";
import { signedBytes } from "./pixels.js";

/** Pixels as `ImageData` has them: red, green, blue and opacity of each, by rows. */
export interface Mosaic {
  readonly data: Uint8ClampedArray<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
}

/** About so much wider than high. */
const aspect = 2;

/**
 * All maps of a layer beside each other, or its features in reading order, on one scale: blue above zero and orange
 * below, the stronger the more opaque; what is never negative begins at its lowest value.
 */
export function mosaic({ shape, values }: LayerActivation): Mosaic {
  const [channels, height, width] =
    shape.length === 3 ? (shape as [number, number, number]) : [values.length, 1, 1];
  const gap = shape.length === 3 ? Math.max(1, Math.round(width / 14)) : 0;
  const columns = Math.min(
    channels,
    Math.ceil(Math.sqrt((channels * aspect * (height + gap)) / (width + gap))),
  );
  const rows = Math.ceil(channels / columns);
  const [low, high] = bounds(values);
  const origin = low < 0 ? 0 : low;
  const size = {
    width: columns * (width + gap) - gap,
    height: rows * (height + gap) - gap,
  };
  const data = new Float32Array(size.width * size.height);
  for (let c = 0; c < channels; c++) {
    const left = (c % columns) * (width + gap);
    const top = Math.floor(c / columns) * (height + gap);
    for (let i = 0; i < height * width; i++)
      data[(top + Math.floor(i / width)) * size.width + left + (i % width)] =
        values[c * height * width + i]! - origin;
  }
  return { ...size, data: signedBytes(data, Math.max(high - origin, -low)) };
}

/** Of the values that are finite. */
function bounds(values: ArrayLike<number>): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low > high ? [0, 0] : [low, high];
}
