import * as Plot from "@observablehq/plot";
import { fontSize } from "./drawing.js";
import type { HostDocument } from "./host.js";
import type { Theme } from "./theme.js";

/** A value by epoch; values that are not finite leave a gap. */
export interface Line {
  readonly label: string;
  readonly colour: string;
  readonly dash?: string | undefined;
  readonly points: readonly { readonly epoch: number; readonly value: number }[];
}

export interface LinesPanel {
  /** Drawn above the lines. */
  readonly title?: string | undefined;
  readonly lines: readonly Line[];
  readonly domain: readonly [number, number];
  /** Of the y axis; linear if left out. */
  readonly scale?: "log" | undefined;
  /** A thin dotted line across. */
  readonly reference?: { readonly label: string; readonly value: number } | undefined;
  /** Of the values at the lines' ends. */
  readonly format: (value: number) => string;
  /** Of the y axis; plain numbers if left out. */
  readonly tickFormat?: ((value: number) => string) | undefined;
  readonly width: number;
  readonly height: number;
  /** Room for the labels at the lines' ends. */
  readonly marginRight: number;
}

const margin = { bottom: 48, left: 48 };

/** A panel of lines by epoch, each named with its last value at its end; for `Drawing.plot`. */
export function linesPlot(document: HostDocument, theme: Theme, panel: LinesPanel): unknown {
  const { title, lines, domain, scale, reference, format, tickFormat, width, height, marginRight } = panel;
  const marginTop = title === undefined ? 16 : 44;
  const epochs = lines.flatMap(({ points }) => points.map(({ epoch }) => epoch));
  const first = epochs.reduce((a, b) => Math.min(a, b), epochs[0] ?? 1);
  const last = epochs.reduce((a, b) => Math.max(a, b), epochs[0] ?? 1);
  const isLog = scale === "log";
  const ticks = isLog ? decades(domain) : 6;
  const marks = lines.flatMap(({ points, colour, dash }) => {
    const made: Plot.Markish[] = [
      Plot.line(points, {
        x: "epoch",
        y: "value",
        stroke: colour,
        strokeWidth: 2,
        strokeLinejoin: "round",
        ...(dash === undefined ? {} : { strokeDasharray: dash }),
      }),
    ];
    if (points.length <= 20) {
      made.push(
        Plot.dot(
          points.filter(({ value }) => Number.isFinite(value)),
          {
            x: "epoch",
            y: "value",
            r: points.length === 1 ? 4.5 : 3,
            fill: colour,
            stroke: theme.paper,
            strokeWidth: 1,
          },
        ),
      );
    }
    return made;
  });
  const referenceMarks: Plot.Markish[] =
    reference === undefined
      ? []
      : [Plot.ruleY([reference.value], { stroke: theme.faint, strokeWidth: 1, strokeDasharray: "2 3" })];
  // Named at its end as the lines are: within the frame some curve would cross the name.
  const named: NamedEnd[] = [
    ...lines.map(({ label, colour, points }) => ({
      label,
      colour,
      value: points.map(({ value }) => value).findLast(Number.isFinite),
      fontWeight: 600,
    })),
    ...(reference === undefined ? [] : [{ ...reference, colour: theme.quiet, fontWeight: 400 }]),
  ];
  const labels = endLabels(named, format, domain, isLog, height - marginTop - margin.bottom).map(
    ({ text, y, colour, fontWeight }) =>
      Plot.text([y], {
        frameAnchor: "right",
        y: (value: number) => value,
        text: () => text,
        textAnchor: "start",
        dx: 9,
        fill: colour,
        fontWeight,
      }),
  );
  const titleMark = Plot.text([title ?? ""], {
    frameAnchor: "top-left",
    text: (value: string) => value,
    dx: -margin.left + 16,
    dy: -32,
    fontWeight: 600,
    fontSize: fontSize + 1,
  });
  return Plot.plot({
    document: document as never,
    width,
    height,
    marginTop,
    marginRight,
    marginBottom: margin.bottom,
    marginLeft: margin.left,
    // One epoch has no extent, so it gets room on both sides.
    x: { domain: first === last ? [first - 1, last + 1] : [first, last] },
    y: { domain: [...domain], ...(scale === undefined ? {} : { type: scale }) },
    marks: [
      Plot.gridY({ stroke: theme.grid, strokeOpacity: 1, ticks }),
      Plot.axisY({
        ticks,
        tickSize: 0,
        tickPadding: 8,
        label: null,
        ...(tickFormat === undefined ? {} : { tickFormat }),
      }),
      Plot.axisX({
        ticks: epochTicks(first, last),
        tickFormat: "d",
        tickSize: 4,
        label: "epoch",
        labelAnchor: "center",
        labelArrow: "none",
      }),
      Plot.ruleY([domain[0]], { stroke: theme.faint }),
      ...referenceMarks,
      ...marks,
      ...labels,
      ...(title === undefined ? [] : [titleMark]),
    ],
  });
}

interface NamedEnd {
  readonly label: string;
  readonly colour: string;
  readonly value: number | undefined;
  readonly fontWeight: number;
}

/** The name and last value of each line, moved apart where the lines end close together. */
function endLabels(
  ends: readonly NamedEnd[],
  format: (value: number) => string,
  domain: readonly [number, number],
  isLog: boolean,
  height: number,
) {
  const along = isLog ? Math.log : (value: number) => value;
  const back = isLog ? Math.exp : (value: number) => value;
  const [low, high] = [along(domain[0]), along(domain[1])];
  const gap = ((fontSize + 3) / height) * (high - low);
  const labels = ends.flatMap(({ label, value, ...look }) =>
    value === undefined ? [] : [{ ...look, text: `${label} ${format(value)}`, at: along(value) }],
  );
  labels.sort((a, b) => a.at - b.at);
  // Neighbours push each other apart until all have room; ten lines need a few dozen turns.
  for (let turn = 0; turn < 200; turn++) {
    for (let k = 1; k < labels.length; k++) {
      const [below, above] = [labels[k - 1]!, labels[k]!];
      const lack = gap - (above.at - below.at);
      if (lack <= 0) continue;
      below.at -= lack / 2;
      above.at += lack / 2;
    }
  }
  // None leaves the frame: it would be cut off.
  labels.forEach((label, k) => {
    label.at = Math.max(label.at, k === 0 ? low : labels[k - 1]!.at + gap);
  });
  labels.toReversed().forEach((label, k, down) => {
    label.at = Math.min(label.at, k === 0 ? high : down[k - 1]!.at - gap);
  });
  return labels.map(({ at, ...label }) => ({ ...label, y: back(at) }));
}

/** The powers of ten within a domain: all that a quiet logarithmic axis marks. */
export function decades([low, high]: readonly [number, number]): number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const count = Math.floor(Math.log10(high) + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, k) => Number(`1e${first + k}`));
}

/** A power of ten in few letters: "0.01", "1e-5". */
export function decade(value: number): string {
  return value >= 1e-3 && value < 1e4 ? String(value) : value.toExponential(0).replace("+", "");
}

/** Whole epochs, at most about ten of them, the first and the last always among them. */
function epochTicks(first: number, last: number): number[] {
  const step =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((size) => (last - first) / size <= 10) ?? last - first;
  const ticks = [first];
  for (let tick = Math.ceil((first + 1) / step) * step; tick < last; tick += step) ticks.push(tick);
  // A tick beside an end would touch its number.
  const inner = ticks.slice(1).filter((tick) => tick - first >= step / 2 && last - tick >= step / 2);
  return first === last ? [first] : [first, ...inner, last];
}
