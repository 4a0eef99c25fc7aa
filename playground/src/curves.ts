import { svg } from "./dom.js";

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A line, named at its end. */
export interface Line {
  readonly name: string;
  /** How it is drawn: a class of the style sheet. */
  readonly kind: "loss" | "train" | "test" | "earlier";
  readonly points: readonly Point[];
}

export interface Chart {
  readonly title: string;
  readonly lines: readonly Line[];
  /** Thin dotted lines across. */
  readonly references: readonly { readonly name: string; readonly value: number }[];
  /** The end of the x axis. */
  readonly epochs: number;
  /** The end of the y axis is at least this. */
  readonly most: number;
  /** What the chart says to those who do not see it. */
  readonly description: string;
}

const margin = { top: 34, right: 116, bottom: 28, left: 42 };

/** A step of 1, 2 or 5 times a power of ten that cuts a length into at most `count` parts. */
export function tickStep(length: number, count: number): number {
  const power = 10 ** Math.floor(Math.log10(length / count));
  return power * [1, 2, 5, 10].find((factor) => factor * power * count >= length * (1 - 1e-9))!;
}

/** Moves labels apart that would lie on one another, in order of height; `gap` is the least distance. */
export function spread(heights: readonly number[], gap: number, low: number, high: number): number[] {
  const order = heights.map((_, k) => k).sort((a, b) => heights[a]! - heights[b]!);
  const placed = [...heights];
  let least = low;
  for (const k of order) {
    placed[k] = Math.max(placed[k]!, least);
    least = placed[k]! + gap;
  }
  let most = high;
  for (const k of order.reverse()) {
    placed[k] = Math.min(placed[k]!, most);
    most = placed[k]! - gap;
  }
  return placed;
}

/** Draws a chart, its text 12 to 14 units high; the style sheet gives it the width of its place. */
export function drawChart(chart: Chart, width: number, height: number): SVGSVGElement {
  const { lines, references, epochs } = chart;
  const seen = lines.flatMap(({ points }) => points.map(({ y }) => y)).filter(Number.isFinite);
  const step = tickStep(Math.max(chart.most, ...seen), 5);
  const top = Math.ceil(Math.max(chart.most, ...seen) / step - 1e-9) * step;
  const right = width - margin.right;
  const bottom = height - margin.bottom;
  const x = (value: number): number => margin.left + ((right - margin.left) * value) / epochs;
  const y = (value: number): number => bottom - ((bottom - margin.top) * value) / top;
  const drawing = svg("svg", {
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": `${chart.title}: ${chart.description}`,
  });
  drawing.append(svg("text", { class: "chart-title", x: 0, y: 15 }, chart.title));
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  for (let k = 0; k * step <= top * (1 + 1e-9); k++) {
    const at = y(k * step);
    drawing.append(svg("line", { class: "grid", x1: margin.left, x2: right, y1: at, y2: at }));
    drawing.append(
      svg(
        "text",
        { class: "tick", x: margin.left - 8, y: at + 4, "text-anchor": "end" },
        (k * step).toFixed(digits),
      ),
    );
  }
  const epochStep = Math.max(1, tickStep(epochs, 10));
  for (let epoch = 0; epoch <= epochs; epoch += epochStep)
    drawing.append(
      svg("text", { class: "tick", x: x(epoch), y: bottom + 20, "text-anchor": "middle" }, `${epoch}`),
    );
  for (const { value } of references) {
    const at = y(value);
    drawing.append(svg("line", { class: "reference", x1: margin.left, x2: right, y1: at, y2: at }));
  }
  const labels = references.map((one) => ({ ...one, kind: "reference" }));
  for (const { name, kind, points } of lines) {
    const drawn = points.filter(({ y: value }) => Number.isFinite(value));
    const last = drawn.at(-1);
    if (!last) continue;
    const path = drawn.map((point) => `${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}`).join(" ");
    drawing.append(svg("polyline", { class: `line ${kind}`, points: path }));
    if (kind === "earlier") continue;
    drawing.append(svg("circle", { class: `dot ${kind}`, cx: x(last.x), cy: y(last.y), r: 3 }));
    labels.push({ name, kind, value: last.y });
  }
  const heights = spread(
    labels.map(({ value }) => y(value)),
    16,
    margin.top,
    bottom,
  );
  for (const [k, { name, kind, value }] of labels.entries())
    drawing.append(
      svg(
        "text",
        { class: `label ${kind}`, x: right + 10, y: heights[k]! + 4 },
        `${name} ${value.toFixed(3)}`,
      ),
    );
  return drawing;
}
