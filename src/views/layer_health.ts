import * as Plot from "@observablehq/plot";
import { Drawing, type ViewOptions, viewWidth } from "./drawing.js";
import { decade, decades, type Line, linesPlot } from "./lines.js";
import { percent } from "./percent.js";
import { englishWords } from "./words.js";

/** How the layers of a network fare on one batch; the `layers` of a line of `metrics.jsonl`. */
export interface LayerStatistics {
  /** L2 norm of the loss's gradient by parameter name, such as "0.weight". */
  readonly gradientNorms: Readonly<Record<string, number>>;
  /** By a ReLU's name, such as "1 ReLU": the share of its channels or features that are 0 on the whole batch. */
  readonly deadShares: Readonly<Record<string, number>>;
}

/** `LayerStatistics` after an epoch. */
export interface LayerStatisticsPoint extends LayerStatistics {
  readonly epoch: number;
}

/** From the first layer to the last; each is seen on white and on black. */
const colours = ["#3f7fc4", "#2a9d8f", "#6f9c3d", "#b8901f", "#d9822b", "#d1573f", "#b0487e", "#7d63b0"];

/** Gradient norms of the weights by layer on a logarithmic axis: over the epochs, or as they are where there is one. */
export function gradientNormsSvg(points: readonly LayerStatisticsPoint[], options: ViewOptions = {}): string {
  const lines = linesOf(points, "gradientNorms", (name) => !name.endsWith("bias"));
  const values = lines.flatMap((line) => line.points.map(({ value }) => value)).filter((value) => value > 0);
  const domain = [
    10 ** Math.floor(Math.log10(Math.min(...values, 1))),
    10 ** Math.ceil(Math.log10(Math.max(...values, 1e-3))),
  ] as const;
  const format = (value: number) => value.toPrecision(2);
  return healthSvg(
    lines,
    { name: (options.words ?? englishWords).gradientNorms, domain, scale: "log", format, tickFormat: decade },
    options,
  );
}

/** Share of dead ReLUs by layer: over the epochs, or as it is where there is one. */
export function deadSharesSvg(points: readonly LayerStatisticsPoint[], options: ViewOptions = {}): string {
  const lines = linesOf(points, "deadShares", () => true);
  const most = Math.max(0, ...lines.flatMap(({ points }) => points.map(({ value }) => value || 0)));
  const domain = [0, [0.1, 0.2, 0.5].find((end) => end >= most) ?? 1] as const;
  const tickFormat = (value: number) => `${Math.round(100 * value)} %`;
  return healthSvg(
    lines,
    { name: (options.words ?? englishWords).deadShares, domain, format: percent, tickFormat },
    options,
  );
}

function linesOf(
  points: readonly LayerStatisticsPoint[],
  field: keyof LayerStatistics,
  isWanted: (name: string) => boolean,
): Line[] {
  const names = [...new Set(points.flatMap((point) => Object.keys(point[field])))].filter(isWanted);
  return names.map((label, k) => ({
    label,
    colour: colours[Math.round((k * (colours.length - 1)) / Math.max(1, names.length - 1))]!,
    points: points.map((point) => {
      const value = point[field][label];
      // A logarithmic axis has no place for zero.
      return {
        epoch: point.epoch,
        value: value || field === "deadShares" ? (value ?? Number.NaN) : Number.NaN,
      };
    }),
  }));
}

interface Axis {
  readonly name: string;
  readonly domain: readonly [number, number];
  readonly scale?: "log";
  readonly format: (value: number) => string;
  readonly tickFormat: (value: number) => string;
}

/** Of a letter, so that long names of layers get their room. */
const letterWidth = 7.5;

function healthSvg(
  lines: readonly Line[],
  { name, domain, scale, format, tickFormat }: Axis,
  options: ViewOptions,
): string {
  const last = lines.map(({ label, colour, points }) => ({
    label,
    colour,
    value: points.at(-1)?.value ?? Number.NaN,
  }));
  const text = (value: number) => (Number.isFinite(value) ? format(value) : "–");
  const isSingle = (lines[0]?.points.length ?? 0) < 2;
  const height = isSingle ? 40 + 26 * lines.length : Math.max(300, 80 + 16 * lines.length);
  const longest = Math.max(0, ...lines.map(({ label }) => label.length));
  const description = last.map(({ label, value }) => `${label}: ${text(value)}`).join("; ");
  const drawing = new Drawing(viewWidth, height, name, description, options);
  const { document, theme } = drawing;
  if (!isSingle) {
    const marginRight = Math.max(128, letterWidth * (longest + " 10.0 %".length) + 12);
    const panel = { lines, domain, scale, format, tickFormat, width: viewWidth, height, marginRight };
    drawing.plot(linesPlot(document, theme, panel));
    return drawing.toString();
  }
  const ticks = scale === "log" ? decades(domain) : 5;
  const shown = last.filter(({ value }) => Number.isFinite(value));
  drawing.plot(
    Plot.plot({
      document: document as never,
      width: viewWidth,
      height,
      marginTop: 8,
      marginRight: 64,
      marginBottom: 32,
      marginLeft: Math.max(86, letterWidth * longest + 16),
      x: { domain: [...domain], ...(scale === undefined ? {} : { type: scale }) },
      y: { domain: lines.map(({ label }) => label), type: "point" },
      marks: [
        Plot.gridX({ stroke: theme.grid, strokeOpacity: 1, ticks }),
        Plot.axisX({
          ticks,
          tickSize: 0,
          tickPadding: 8,
          label: null,
          tickFormat,
        }),
        Plot.axisY({ tickSize: 0, tickPadding: 8, label: null }),
        Plot.ruleY(shown, { y: "label", x1: domain[0], x2: "value", stroke: theme.blue, strokeWidth: 2 }),
        Plot.dot(shown, { y: "label", x: "value", r: 4.5, fill: theme.blue }),
        Plot.text(last, {
          y: "label",
          frameAnchor: "right",
          textAnchor: "end",
          dx: 58,
          fontVariant: "tabular-nums",
          fill: theme.quiet,
          text: ({ value }: (typeof last)[number]) => text(value),
        }),
      ],
    }),
  );
  return drawing.toString();
}
