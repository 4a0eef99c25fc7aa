import * as Plot from "@observablehq/plot";
import { Drawing, fontSize, type ViewOptions } from "./drawing.js";
import { decade } from "./lines.js";
import { percent } from "./percent.js";
import type { Theme } from "./theme.js";

/** A variant of an experiment, with one value a seed. */
export interface VariantRow {
  readonly label: string;
  readonly testAccuracies: readonly number[];
  readonly trainAccuracies: readonly number[];
}

/** A small panel: lines over a common axis, one of each name a seed. */
export interface VariantPanel {
  readonly label: string;
  readonly lines: readonly {
    readonly name: string;
    readonly values: readonly { readonly x: number; readonly y: number }[];
  }[];
}

const width = 900;

/** Train and test accuracy by variant, one row each: a dot a seed, a stroke at the mean. */
export function variantsSvg(rows: readonly VariantRow[], options: ViewOptions = {}): string {
  const height = 74 + 30 * rows.length;
  const description = rows
    .map(({ label, testAccuracies }) => `${label}: ${percent(mean(testAccuracies))} on test images`)
    .join("; ");
  const drawing = new Drawing(width, height, "Accuracy by variant", description, options);
  const { theme } = drawing;
  const dots = rows.flatMap(({ label, testAccuracies, trainAccuracies }) => [
    ...trainAccuracies.map((value) => ({ label, value, kind: "train" as const })),
    ...testAccuracies.map((value) => ({ label, value, kind: "test" as const })),
  ]);
  const means = rows.map(({ label, testAccuracies }) => ({ label, value: mean(testAccuracies) }));
  const low = Math.min(...dots.map(({ value }) => value));
  const colours = { train: theme.blue, test: theme.orange };
  legend(drawing, colours, 234, ["train"]);
  drawing.text(width - 62, 18.5, "mean", { fill: theme.orange, "font-weight": 600 });
  drawing.plot(
    Plot.plot({
      document: drawing.document as never,
      width,
      height: height - 24,
      marginTop: 8,
      marginLeft: 234,
      marginRight: 76,
      marginBottom: 34,
      x: { domain: [Math.max(0, Math.floor((low - 0.01) * 20) / 20), 1] },
      y: { domain: rows.map(({ label }) => label), type: "band", padding: 0.3 },
      marks: [
        Plot.gridX({ stroke: theme.grid, strokeOpacity: 1, ticks: 8 }),
        Plot.axisX({
          ticks: 8,
          tickSize: 0,
          tickPadding: 8,
          label: null,
          tickFormat: (value: number) => `${Math.round(100 * value)} %`,
        }),
        Plot.axisY({ tickSize: 0, tickPadding: 10, label: null }),
        Plot.dot(dots, {
          x: "value",
          y: "label",
          r: 4,
          stroke: ({ kind }: (typeof dots)[number]) => colours[kind],
          fill: ({ kind }: (typeof dots)[number]) => (kind === "test" ? colours.test : theme.paper),
          fillOpacity: 0.75,
          strokeWidth: 1.5,
        }),
        Plot.tickX(means, { x: "value", y: "label", stroke: theme.ink, strokeWidth: 2, inset: 2 }),
        Plot.text(means, {
          y: "label",
          frameAnchor: "right",
          textAnchor: "start",
          dx: 14,
          fill: theme.orange,
          fontWeight: 600,
          fontVariant: "tabular-nums",
          text: ({ value }: (typeof means)[number]) => percent(value),
        }),
      ],
    }),
    0,
    24,
  );
  return drawing.toString();
}

/** Accuracy by epoch, a panel a variant: on training images without dropout, and on images that were held out. */
export function variantCurvesSvg(panels: readonly VariantPanel[], options: ViewOptions = {}): string {
  return panelsSvg(panels, options, "Accuracy by epoch", {
    domain: [0, 1],
    y: (value) => `${Math.round(100 * value)} %`,
    colours: ({ blue, orange }) => ({ train: blue, "held out": orange }),
    x: "epoch",
  });
}

/** The gradient's norm by layer, a panel a variant: before the first step, and after the last epoch. */
export function variantGradientsSvg(panels: readonly VariantPanel[], options: ViewOptions = {}): string {
  return normsSvg(panels, options, "Gradient norm by layer", {
    colours: ({ ink, blue }) => ({ "at the start": ink, "at the end": blue }),
    x: "layer, from the first to the last",
  });
}

/** The gradient's norm by epoch, a panel a variant: of the first, a middle and the last layer. */
export function variantGradientsByEpochSvg(
  panels: readonly VariantPanel[],
  options: ViewOptions = {},
): string {
  return normsSvg(panels, options, "Gradient norm by epoch", {
    colours: ({ ink, blue, orange }) => ({
      "first layer": orange,
      "middle layer": blue,
      "last layer": ink,
    }),
    x: "epoch",
  });
}

/** On a logarithmic axis; what has vanished altogether lies at its foot, which then says so. */
function normsSvg(
  panels: readonly VariantPanel[],
  options: ViewOptions,
  name: string,
  style: Pick<PanelStyle, "colours" | "x">,
): string {
  const all = panels.flatMap(({ lines }) => lines.flatMap((line) => line.values.map(({ y }) => y)));
  const values = all.filter((value) => value > 0);
  const hasZero = values.length < all.length;
  // A decade of its own for zero, so that it is told from what is merely small.
  const low = 10 ** (Math.floor(Math.log10(Math.min(...values))) - (hasZero ? 1 : 0));
  const clipped = panels.map(({ label, lines }) => ({
    label,
    lines: lines.map(({ name, values }) => ({
      name,
      values: values.map(({ x, y }) => ({ x, y: Math.max(low, y) })),
    })),
  }));
  return panelsSvg(clipped, options, name, {
    ...style,
    domain: [low, 10 ** Math.ceil(Math.log10(Math.max(...values)))],
    isLog: true,
    y: (value) => (hasZero && value === low ? "0" : decade(value)),
  });
}

interface PanelStyle {
  readonly domain: readonly [number, number];
  readonly isLog?: boolean;
  readonly x: string;
  readonly y: (value: number) => string;
  readonly colours: (theme: Theme) => Readonly<Record<string, string>>;
}

function panelsSvg(
  panels: readonly VariantPanel[],
  options: ViewOptions,
  name: string,
  style: PanelStyle,
): string {
  // Where titles are long, panels are wider.
  const columns = Math.max(...panels.map(({ label }) => label.length)) > 26 ? 3 : 4;
  const lines = Math.ceil(panels.length / columns);
  const height = 178 * lines + 54;
  const drawing = new Drawing(width, height + 24, name, panels.map(({ label }) => label).join(", "), options);
  const { theme } = drawing;
  const colours = style.colours(theme);
  legend(drawing, colours, 48);
  const points = panels.flatMap(({ label, lines }, k) =>
    lines.flatMap((line, z) =>
      line.values.map(({ x, y }) => ({
        x,
        y,
        z,
        name: line.name,
        label,
        fx: k % columns,
        fy: Math.floor(k / columns),
      })),
    ),
  );
  const titles = panels.map(({ label }, k) => ({ label, fx: k % columns, fy: Math.floor(k / columns) }));
  drawing.plot(
    Plot.plot({
      document: drawing.document as never,
      width,
      height,
      marginTop: 28,
      marginLeft: 48,
      marginRight: 12,
      marginBottom: 46,
      fx: { axis: null, padding: 0.08 },
      fy: { axis: null, padding: 0.2 },
      x: { inset: 6 },
      y: { domain: [...style.domain], ...(style.isLog ? { type: "log" as const } : {}) },
      marks: [
        Plot.gridY({ stroke: theme.grid, strokeOpacity: 1, ticks: 4 }),
        Plot.axisY({ ticks: 4, tickSize: 0, tickPadding: 6, label: null, tickFormat: style.y }),
        Plot.axisX({
          ticks: wholeTicks(points.map(({ x }) => x)),
          tickSize: 0,
          label: style.x,
          labelAnchor: "center",
          labelArrow: "none",
          tickFormat: "d",
        }),
        Plot.line(points, {
          x: "x",
          y: "y",
          z: "z",
          fx: "fx",
          fy: "fy",
          stroke: ({ name }: (typeof points)[number]) => colours[name]!,
          strokeWidth: 1.6,
          strokeOpacity: 0.8,
        }),
        Plot.text(titles, {
          fx: "fx",
          fy: "fy",
          frameAnchor: "top-left",
          dy: -16,
          text: "label",
          fontWeight: 600,
        }),
      ],
    }),
    0,
    24,
  );
  return drawing.toString();
}

/** At most six whole numbers from the least to the greatest. */
function wholeTicks(values: readonly number[]): number[] {
  const [least, greatest] = [Math.min(...values), Math.max(...values)];
  const step = Math.max(1, Math.ceil((greatest - least) / 5));
  return Array.from({ length: Math.floor((greatest - least) / step) + 1 }, (_, k) => least + k * step);
}

/** The names of the colours, in a row at the top, with the dots of some hollow. */
function legend(
  drawing: Drawing,
  colours: Readonly<Record<string, string>>,
  left: number,
  hollow: readonly string[] = [],
): void {
  let x = left;
  for (const [name, colour] of Object.entries(colours)) {
    drawing.add("circle", {
      cx: x + 5,
      cy: 14,
      r: 4,
      stroke: colour,
      "stroke-width": 1.5,
      fill: hollow.includes(name) ? drawing.theme.paper : colour,
    });
    drawing.text(x + 15, 18.5, name, { fill: colour, "font-weight": 600 });
    x += 40 + name.length * fontSize * 0.6;
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
