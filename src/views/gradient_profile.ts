import * as Plot from "@observablehq/plot";
import { Drawing, fontSize, type ViewOptions, viewWidth } from "./drawing.js";
import { decade, decades } from "./lines.js";
import { englishWords } from "./words.js";

/** Gradient norms of a network at one time. */
export interface GradientProfile {
  readonly name: string;
  /** L2 norm by parameter name, such as "0.weight", as `LayerStatistics` has them. */
  readonly gradientNorms: Readonly<Record<string, number>>;
}

export interface GradientProfileOptions extends ViewOptions {
  /** In pixels; 440 if left out. */
  readonly width?: number | undefined;
}

const symbols = ["circle", "square", "triangle", "diamond2"] as const;
const margin = { right: 64, bottom: 34 };
const legendLine = 20;
const rowHeight = 34;
const letterWidth = 7.5;

/**
 * Gradient norms of the weights from the first layer (above) to the last, on a logarithmic axis, of up to four networks
 * or times of one; the first of them is the one in view, the others stand behind. Gradients that vanish on their way
 * back lean to the left.
 */
export function gradientProfileSvg(
  profiles: readonly GradientProfile[],
  options: GradientProfileOptions = {},
): string {
  const { words = englishWords, width = viewWidth } = options;
  const drawn = profiles.slice(0, symbols.length);
  const names = [...new Set(drawn.flatMap(({ gradientNorms }) => Object.keys(gradientNorms)))].filter(
    (name) => !name.endsWith("bias"),
  );
  const series = drawn.map(({ name, gradientNorms }, k) => ({
    name,
    symbol: symbols[k]!,
    // A logarithmic axis has no place for zero.
    points: names
      .map((layer) => ({ layer, value: gradientNorms[layer] ?? 0 }))
      .filter(({ value }) => value > 0 && Number.isFinite(value)),
  }));
  const values = series.flatMap(({ points }) => points.map(({ value }) => value));
  const low = Math.floor(Math.log10(Math.min(...values, 0.1)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values, 10 ** low))));
  const domain = [10 ** low, 10 ** high] as const;
  const head = legendLine * series.length + 8;
  const height = rowHeight * Math.max(1, names.length) + margin.bottom + 8;
  const description = series
    .map(({ name, points }) =>
      [name, ...points.map(({ layer, value }) => `${layer} ${value.toPrecision(2)}`)].join(", "),
    )
    .join("; ");
  const drawing = new Drawing(width, head + height, words.gradientNorms, description, options);
  const { theme, document } = drawing;
  const colours = [theme.blue, theme.orange, "#009e73", theme.quiet];
  const marginLeft = letterWidth * Math.max(0, ...names.map((name) => name.length)) + 20;
  // What is in view lies on top.
  const marks = series
    .flatMap(({ points, symbol }, k) => [
      [
        Plot.line(points, {
          x: "value",
          y: "layer",
          stroke: colours[k]!,
          strokeWidth: k === 0 ? 2 : 1.25,
          ...(k === 0 ? {} : { strokeDasharray: "5 3" }),
        }),
        Plot.dot(points, {
          x: "value",
          y: "layer",
          r: k === 0 ? 4.5 : 4,
          symbol,
          fill: k === 0 ? colours[k]! : theme.paper,
          stroke: colours[k]!,
          strokeWidth: 1.5,
        }),
      ],
    ])
    .reverse()
    .flat();
  const ticks = decades(domain);
  // Where there are many decades, their names would touch.
  const every = Math.ceil(ticks.length / Math.max(2, Math.floor((width - marginLeft - margin.right) / 52)));
  drawing.plot(
    Plot.plot({
      document: document as never,
      width,
      height,
      marginTop: 8,
      marginRight: margin.right,
      marginBottom: margin.bottom,
      marginLeft,
      x: { domain: [...domain], type: "log" },
      y: { domain: names, type: "point", padding: 0.5 },
      marks: [
        Plot.gridX({ stroke: theme.grid, strokeOpacity: 1, ticks }),
        Plot.axisX({
          ticks: ticks.filter((_, k) => k % every === 0),
          tickSize: 0,
          tickPadding: 8,
          label: null,
          tickFormat: decade,
        }),
        Plot.axisY({ tickSize: 0, tickPadding: 8, label: null }),
        ...marks,
        Plot.text(series[0]?.points ?? [], {
          y: "layer",
          frameAnchor: "right",
          textAnchor: "end",
          dx: margin.right - 6,
          fontVariant: "tabular-nums",
          fill: theme.quiet,
          text: ({ value }: { value: number }) => value.toPrecision(2),
        }),
      ],
    }),
    0,
    head,
  );
  series.forEach(({ name, symbol }, k) => {
    const y = 8 + legendLine * k;
    drawing.plot(
      Plot.plot({
        document: document as never,
        width: 20,
        height: legendLine,
        margin: 0,
        axis: null,
        x: { domain: [0, 1], range: [0, 20] },
        y: { domain: [0, 1], range: [0, legendLine] },
        marks: [
          Plot.dot([0], {
            x: 0.5,
            y: 0.5,
            r: 4.5,
            symbol,
            fill: k === 0 ? colours[k]! : theme.paper,
            stroke: colours[k]!,
            strokeWidth: 1.5,
          }),
        ],
      }),
      8,
      y,
    );
    drawing.text(34, y + legendLine / 2 + fontSize * 0.35, name, { "font-weight": k === 0 ? 600 : 400 });
  });
  return drawing.toString();
}
