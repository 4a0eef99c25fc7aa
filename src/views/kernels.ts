import { Drawing, type ViewOptions, viewWidth } from "./drawing.js";
import { type Pixels, photograph, signed } from "./pixels.js";
import { englishWords } from "./words.js";

/** Weights of a first layer as pictures: of each unit or output channel, what it looks for. */
export interface Kernels {
  /** [units, channels, height, width] by rows */
  readonly weights: ArrayLike<number>;
  readonly shape: readonly [number, number, number, number];
  /** Of the units, such as the classes of a softmax regression. */
  readonly names?: readonly string[] | undefined;
}

/**
 * The first layer's kernels (at most 96, or 36 large ones) in a grid, all on one scale: blue above zero, orange below; in colour where
 * they read red, green and blue; a mean over other numbers of channels.
 */
export function kernelsSvg({ weights, shape, names }: Kernels, options: ViewOptions = {}): string {
  const [units, channels, height, width] = shape;
  const count = Math.min(units, height * width > 256 ? 36 : 96);
  const columns = count <= 6 ? count : count <= 12 ? 5 : count <= 36 ? 6 : count <= 64 ? 8 : 12;
  const gap = columns > 8 ? 4 : 8;
  const inner = viewWidth - 16;
  const size = Math.min(72, (inner - (columns - 1) * gap) / columns);
  const pitch = size + gap + (names ? 18 : 0);
  const rows = Math.ceil(count / columns);
  const { words = englishWords } = options;
  const what = words.kernelCount(units, height, width, channels);
  const description = count < units ? `${what}; ${words.firstDrawn(count)}` : what;
  const drawing = new Drawing(viewWidth, rows * pitch + 12, words.kernels, description, options);
  const pictures = Array.from({ length: count }, (_, unit) => pictureOf(weights, shape, unit));
  const scale = strongest(pictures);
  pictures.forEach((picture, unit) => {
    const x = 8 + (unit % columns) * (size + gap);
    const y = 8 + Math.floor(unit / columns) * pitch;
    const href = picture.channels === 3 ? photograph(picture) : signed(picture, scale);
    drawing.picture(href, x, y, size, size, names?.[unit] ?? words.kernel(unit));
    drawing.add("rect", { x, y, width: size, height: size, fill: "none", stroke: drawing.theme.grid });
    if (names)
      drawing.text(x + size / 2, y + size + 14, names[unit]!, {
        "font-size": 11,
        fill: drawing.theme.quiet,
        "text-anchor": "middle",
      });
  });
  return drawing.toString();
}

function pictureOf(
  weights: ArrayLike<number>,
  [, channels, height, width]: Kernels["shape"],
  unit: number,
): Pixels {
  const plane = height * width;
  const own = Array.from({ length: channels * plane }, (_, i) => weights[unit * channels * plane + i]!);
  if (channels === 3) return { data: own, width, height, channels: 3 };
  const data = Array.from({ length: plane }, (_, i) => {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += own[c * plane + i]!;
    return sum / channels;
  });
  return { data, width, height, channels: 1 };
}

/** The 99th percentile of the magnitudes, so that one outlier does not make all others pale. */
function strongest(pictures: readonly Pixels[]): number {
  const magnitudes = pictures
    .flatMap(({ data }) => Array.from(data, Math.abs))
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  return magnitudes[Math.floor(0.99 * (magnitudes.length - 1))] ?? 0;
}
