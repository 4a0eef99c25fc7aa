import { Drawing, type ViewOptions, viewWidth } from "./drawing.js";
import { percent } from "./percent.js";
import { type Pixels, photograph, signed } from "./pixels.js";

/** What a network makes of one image, layer by layer. */
export interface Activations {
  readonly label: string;
  readonly pixels: Pixels;
  /** Softmax shares of the classes. */
  readonly probabilities: readonly number[];
  readonly layers: readonly LayerActivation[];
}

export interface LayerActivation {
  /** Number and name, such as "1 ReLU". */
  readonly layer: string;
  /** [channels, height, width], or [features] */
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

const maps = 6;
const half = 204;
const mapGap = 3;
const mapSize = (half - (maps - 1) * mapGap) / maps;
const rowHeight = mapSize + 30;
const head = 104;
const top = 3;

/**
 * Two images through the same network, beside each other: of every layer the six channels that vary most over both
 * (the same ones left and right, on one scale a channel), vectors as a strip, and what the network says at the end.
 */
export function activationsSvg(
  pair: readonly [Activations, Activations],
  classNames: readonly string[],
  options: ViewOptions = {},
): string {
  const layers = pair[0].layers.map((left, k) => [left, pair[1].layers[k]!] as const);
  const height = head + layers.length * rowHeight + 24 + top * 20 + 4;
  const description = pair
    .map(({ label, probabilities }) => {
      const [best] = ranked(probabilities, classNames);
      return `the ${label} is taken for ${best!.name} with ${percent(best!.share)}`;
    })
    .join("; ");
  const drawing = new Drawing(viewWidth, height, "Activations by layer", description, options);
  const { theme } = drawing;
  const lefts = [8, viewWidth - 8 - half];
  pair.forEach(({ label, pixels }, side) => {
    drawing.picture(photograph(pixels), lefts[side]!, 8, 80, 80, label);
    drawing.text(lefts[side]! + 90, 52, label, { "font-weight": 600 });
  });
  layers.forEach((both, row) => {
    const y = head + row * rowHeight;
    const { layer, shape } = both[0];
    drawing.text(8, y + 12, layer, { "font-size": 12 });
    drawing.text(viewWidth - 8, y + 12, shape.join(" × "), {
      "font-size": 11,
      fill: theme.quiet,
      "text-anchor": "end",
    });
    if (shape.length === 3) drawMaps(drawing, both, lefts, y + 18);
    else drawStrips(drawing, both, lefts, y + 18);
  });
  const y = head + layers.length * rowHeight;
  drawing.text(8, y + 12, "prediction", { "font-size": 12 });
  pair.forEach(({ label, probabilities }, side) => {
    ranked(probabilities, classNames)
      .slice(0, top)
      .forEach(({ name, share }, k) => {
        const [x, line] = [lefts[side]!, y + 34 + k * 20];
        const fill = name === label ? theme.blue : theme.faint;
        drawing.text(x, line, name, { "font-size": 12 });
        drawing.add("rect", { x: x + 76, y: line - 9, width: 84, height: 8, rx: 2, fill: theme.grid });
        drawing.add("rect", { x: x + 76, y: line - 9, width: 84 * share, height: 8, rx: 2, fill });
        drawing.text(x + half, line, `${(100 * share).toFixed(0)} %`, {
          "font-size": 11,
          fill: theme.quiet,
          "text-anchor": "end",
        });
      });
  });
  return drawing.toString();
}

type Both = readonly [LayerActivation, LayerActivation];

function drawMaps(drawing: Drawing, both: Both, lefts: readonly number[], y: number): void {
  const [channels, height, width] = both[0].shape as [number, number, number];
  const plane = height * width;
  const channel = ({ values }: LayerActivation, c: number) =>
    Array.from({ length: plane }, (_, i) => values[c * plane + i]!);
  const chosen = Array.from({ length: channels }, (_, c) => {
    const pictures = both.map((one) => channel(one, c));
    return { c, pictures, spread: variance(pictures.flat()) };
  })
    .sort((a, b) => b.spread - a.spread || a.c - b.c)
    .slice(0, maps);
  chosen.forEach(({ c, pictures }, k) => {
    const [low, high] = range(pictures.flat());
    pictures.forEach((picture, side) => {
      const x = lefts[side]! + k * (mapSize + mapGap);
      const data = picture.map((value) => value - low);
      drawing.picture(
        signed({ data, width, height, channels: 1 }, high - low),
        x,
        y,
        mapSize,
        mapSize,
        `channel ${c}`,
      );
      outline(drawing, x, y, mapSize);
    });
  });
}

/** All features in reading order, in a block of the maps' size. */
function drawStrips(drawing: Drawing, both: Both, lefts: readonly number[], y: number): void {
  const features = both[0].values.length;
  const width = Math.min(features, Math.ceil(Math.sqrt((features * half) / mapSize)));
  const height = Math.ceil(features / width);
  const [low, high] = range(both.flatMap(({ values }) => Array.from(values)));
  both.forEach(({ values }, side) => {
    const data = Array.from({ length: width * height }, (_, i) => (values[i] ?? low) - low);
    drawing.picture(signed({ data, width, height, channels: 1 }, high - low), lefts[side]!, y, half, mapSize);
    outline(drawing, lefts[side]!, y, half);
  });
}

function outline(drawing: Drawing, x: number, y: number, width: number): void {
  drawing.add("rect", { x, y, width, height: mapSize, fill: "none", stroke: drawing.theme.grid });
}

function ranked(probabilities: readonly number[], classNames: readonly string[]) {
  return probabilities.map((share, k) => ({ name: classNames[k]!, share })).sort((a, b) => b.share - a.share);
}

function range(values: readonly number[]): [number, number] {
  return [
    values.reduce((a, b) => Math.min(a, b), Infinity),
    values.reduce((a, b) => Math.max(a, b), -Infinity),
  ];
}

function variance(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
}
