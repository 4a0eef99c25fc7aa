import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

/** One finished epoch, as `metrics.jsonl` holds it. */
export interface CurvePoint {
  /** counted from 1 */
  epoch: number;
  loss: number;
  trainAccuracy: number;
  testAccuracy: number;
}

export interface CurveOptions {
  title?: string | undefined;
  subtitle?: string | undefined;
  /** A published result to hold the run against, drawn as a thin line in its panel. */
  reference?: { label: string; loss?: number | undefined; testAccuracy?: number | undefined } | undefined;
}

interface Series {
  label: string;
  colour: string;
  dash?: string;
  value: (point: CurvePoint) => number;
}

interface Panel {
  title: string;
  series: readonly Series[];
  /** the y axis must hold these values */
  domain: [number, number];
  reference: { label: string; value: number } | undefined;
}

// Okabe and Ito's palette: told apart under every common colour blindness, and by the dashes in grey.
const lossSeries: Series = { label: "train", colour: "#333333", value: (point) => point.loss };
const accuracySeries: readonly Series[] = [
  { label: "train", colour: "#0072b2", dash: "6 3", value: (point) => point.trainAccuracy },
  { label: "test", colour: "#d55e00", value: (point) => point.testAccuracy },
];

type HostDocument = ReturnType<typeof parseHTML>["document"];
type SVGElement = ReturnType<HostDocument["createElement"]>;

const panelWidth = 450;
const panelHeight = 336;
const margin = { top: 44, right: 100, bottom: 48, left: 48 };
const fontSize = 13;
const faint = "#8a8a8a";
const fontFamily = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', Arial, sans-serif";

/**
 * Draws a run's loss, train accuracy and test accuracy by epoch, in two panels beside each other, as a
 * standalone SVG document of 900 pixels' width. Values that are not finite leave a gap.
 */
export function curvesSvg(epochs: readonly CurvePoint[], options: CurveOptions = {}): string {
  const { title, subtitle, reference } = options;
  const document = parseHTML("<!doctype html><html><body></body></html>").document;
  const element = (name: string, attributes: Record<string, string | number>, text?: string) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const losses = finite(epochs.map(lossSeries.value).concat(reference?.loss ?? []));
  const accuracies = finite(
    epochs
      .flatMap((point) => accuracySeries.map(({ value }) => value(point)))
      .concat(reference?.testAccuracy ?? []),
  );
  const panels: Panel[] = [
    {
      title: "Loss (mean cross-entropy, nats)",
      series: [lossSeries],
      domain: [0, roundUp(Math.max(...losses, 0.1))],
      reference: referenceLine(reference?.label, reference?.loss),
    },
    {
      title: "Accuracy (share of images)",
      series: accuracySeries,
      domain: accuracyDomain(accuracies),
      reference: referenceLine(reference?.label, reference?.testAccuracy),
    },
  ];

  const head = 16 + (title === undefined ? 0 : 26) + (subtitle === undefined ? 0 : 20);
  const [width, height] = [2 * panelWidth, head + panelHeight];
  const figure = element("svg", {
    xmlns: "http://www.w3.org/2000/svg",
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    "font-family": fontFamily,
    "font-size": fontSize,
    fill: "#222222",
    role: "img",
    "aria-label": title ?? "Loss and accuracy by epoch",
  });
  figure.append(element("rect", { width, height, fill: "#ffffff" }));
  if (title !== undefined) {
    figure.append(element("text", { x: 16, y: 30, "font-size": 18, "font-weight": 600 }, title));
  }
  if (subtitle !== undefined) {
    figure.append(element("text", { x: 16, y: head - 8, fill: "#555555" }, subtitle));
  }
  panels.forEach((panel, index) => {
    const plot = drawPanel(panel, epochs, document);
    plot.setAttribute("x", String(index * panelWidth));
    plot.setAttribute("y", String(head));
    figure.append(plot);
  });
  return `${figure.toString()}\n`;
}

function drawPanel(
  { title, series, domain, reference }: Panel,
  epochs: readonly CurvePoint[],
  document: HostDocument,
) {
  const first = epochs[0]?.epoch ?? 1;
  const last = epochs.at(-1)?.epoch ?? 1;
  // One epoch has no extent, so it gets room on both sides.
  const xDomain = first === last ? [first - 1, last + 1] : [first, last];
  const lines = series.flatMap(({ colour, dash, value }) => {
    const points = epochs.filter((point) => Number.isFinite(value(point)));
    const marks: Plot.Markish[] = [
      Plot.line(epochs, {
        x: "epoch",
        y: value,
        stroke: colour,
        strokeWidth: 2,
        strokeLinejoin: "round",
        ...(dash === undefined ? {} : { strokeDasharray: dash }),
      }),
    ];
    if (epochs.length <= 20) {
      marks.push(
        Plot.dot(points, {
          x: "epoch",
          y: value,
          r: epochs.length === 1 ? 4.5 : 3,
          fill: colour,
          stroke: "white",
          strokeWidth: 1,
        }),
      );
    }
    return marks;
  });
  const referenceMarks: Plot.Markish[] =
    reference === undefined
      ? []
      : [
          Plot.ruleY([reference.value], { stroke: faint, strokeWidth: 1, strokeDasharray: "2 3" }),
          Plot.text([reference.value], {
            y: (value: number) => value,
            frameAnchor: "left",
            textAnchor: "start",
            dx: 4,
            dy: -7,
            text: () => `${reference.label} ${reference.value.toFixed(3)}`,
            fill: "#666666",
            stroke: "white",
            strokeWidth: 4,
          }),
        ];
  const labels = endLabels(series, epochs, domain).map(({ text, y, colour }) =>
    Plot.text([y], {
      x: last,
      y: (value: number) => value,
      text: () => text,
      textAnchor: "start",
      dx: 9,
      fill: colour,
      fontWeight: 600,
    }),
  );
  const plot = Plot.plot({
    document,
    width: panelWidth,
    height: panelHeight,
    marginTop: margin.top,
    marginRight: margin.right,
    marginBottom: margin.bottom,
    marginLeft: margin.left,
    style: { fontSize: `${fontSize}px`, fontFamily, color: "#222222" },
    x: { domain: xDomain },
    y: { domain },
    marks: [
      Plot.gridY({ stroke: "#e4e4e4", strokeOpacity: 1, ticks: 6 }),
      Plot.axisY({ ticks: 6, tickSize: 0, tickPadding: 8, label: null }),
      Plot.axisX({
        ticks: epochTicks(first, last),
        tickFormat: "d",
        tickSize: 4,
        label: "epoch",
        labelAnchor: "center",
        labelArrow: "none",
      }),
      Plot.ruleY([domain[0]], { stroke: faint }),
      ...referenceMarks,
      ...lines,
      ...labels,
      Plot.text([title], {
        frameAnchor: "top-left",
        text: (value: string) => value,
        dx: -margin.left + 16,
        dy: -32,
        fontWeight: 600,
        fontSize: fontSize + 1,
      }),
    ],
  }) as unknown as SVGElement;
  // Plot's style sheet serves tips and HTML pages; without it the drawing needs no CSS at all.
  for (const style of plot.querySelectorAll("style")) style.remove();
  return plot;
}

/** The name and last value of each series, moved apart where the lines end close together. */
function endLabels(series: readonly Series[], epochs: readonly CurvePoint[], domain: [number, number]) {
  const height = panelHeight - margin.top - margin.bottom;
  const gap = ((fontSize + 3) / height) * (domain[1] - domain[0]);
  const labels = series.flatMap(({ label, colour, value }) => {
    const y = epochs.map(value).findLast(Number.isFinite);
    return y === undefined ? [] : [{ text: `${label} ${y.toFixed(3)}`, y, colour }];
  });
  labels.sort((a, b) => a.y - b.y);
  const [low, high] = labels;
  if (low !== undefined && high !== undefined && high.y - low.y < gap) {
    const middle = (low.y + high.y) / 2;
    low.y = middle - gap / 2;
    high.y = middle + gap / 2;
  }
  return labels;
}

/** The end of a y axis from 0: the next of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10 times a power of ten. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 1.5, 2, 2.5, 3, 4, 5, 6, 8].find((factor) => factor * power >= value) ?? 10);
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

/** Tenths around the values, up to 1 at most, so that a good run does not hug the frame. */
function accuracyDomain(values: readonly number[]): [number, number] {
  if (values.length === 0) return [0, 1];
  const low = Math.max(0, Math.floor((Math.min(...values) - 0.02) * 10) / 10);
  const high = Math.min(1, Math.ceil((Math.max(...values) + 0.02) * 10) / 10);
  return [low, high];
}

function referenceLine(label: string | undefined, value: number | undefined) {
  return label === undefined || value === undefined ? undefined : { label, value };
}

function finite(values: readonly number[]): number[] {
  return values.filter(Number.isFinite);
}
