import { accuracyDomain, lossDomain } from "./domains.js";
import { Drawing, type ViewOptions, viewWidth } from "./drawing.js";
import { type LinesPanel, linesPlot } from "./lines.js";
import { lightTheme, type Theme } from "./theme.js";

/** One finished epoch, as `metrics.jsonl` holds it. */
export interface CurvePoint {
  /** counted from 1 */
  epoch: number;
  loss: number;
  trainAccuracy: number;
  testAccuracy: number;
}

export interface CurveOptions extends ViewOptions {
  subtitle?: string | undefined;
  /** A published result to hold the run against, drawn as a thin line in its panel. */
  reference?: { label: string; loss?: number | undefined; testAccuracy?: number | undefined } | undefined;
}

const panelWidth = 450;
const panelHeight = 336;

/**
 * Draws a run's loss, train accuracy and test accuracy by epoch, in two panels beside each other, as a
 * standalone SVG document of 900 pixels' width. Values that are not finite leave a gap.
 */
export function curvesSvg(epochs: readonly CurvePoint[], options: CurveOptions = {}): string {
  const { title, subtitle, theme = lightTheme } = options;
  const head = 8 + (subtitle === undefined ? 0 : 20);
  const drawing = new Drawing(2 * panelWidth, head + panelHeight, "Loss and accuracy by epoch", "", options);
  if (subtitle !== undefined) drawing.text(16, title === undefined ? 20 : 8, subtitle, { fill: theme.quiet });
  const size = { width: panelWidth, height: panelHeight };
  const loss = { ...lossPanel(epochs, options, theme), ...size, title: "Loss (mean cross-entropy, nats)" };
  const accuracy = { ...accuracyPanel(epochs, options, theme), ...size, title: "Accuracy (share of images)" };
  drawing.plot(linesPlot(drawing.document, theme, loss), 0, head);
  drawing.plot(linesPlot(drawing.document, theme, accuracy), panelWidth, head);
  return drawing.toString();
}

/** The training loss by epoch. */
export function lossSvg(epochs: readonly CurvePoint[], options: CurveOptions = {}): string {
  return panelSvg(epochs, options, "Loss by epoch", lossPanel);
}

/** Train and test accuracy by epoch. */
export function accuracySvg(epochs: readonly CurvePoint[], options: CurveOptions = {}): string {
  return panelSvg(epochs, options, "Accuracy by epoch", accuracyPanel);
}

type Panel = (epochs: readonly CurvePoint[], options: CurveOptions, theme: Theme) => LinesPanel;

function panelSvg(epochs: readonly CurvePoint[], options: CurveOptions, name: string, panel: Panel): string {
  const { theme = lightTheme } = options;
  const content = panel(epochs, options, theme);
  const description = content.lines
    .map(({ label, points }) => {
      const last = points.at(-1)?.value;
      return `${label} ${last !== undefined && Number.isFinite(last) ? last.toFixed(3) : "unknown"}`;
    })
    .join(", ");
  const drawing = new Drawing(
    viewWidth,
    content.height,
    name,
    `after ${epochs.length} epochs: ${description}`,
    options,
  );
  drawing.plot(linesPlot(drawing.document, theme, content));
  return drawing.toString();
}

const size = { width: viewWidth, height: 300, marginRight: 110 };
const format = (value: number): string => value.toFixed(3);

function lossPanel(epochs: readonly CurvePoint[], { reference }: CurveOptions, theme: Theme): LinesPanel {
  const points = epochs.map(({ epoch, loss }) => ({ epoch, value: loss }));
  const values = points.map(({ value }) => value).concat(reference?.loss ?? []);
  return {
    ...size,
    format,
    lines: [{ label: "train", colour: theme.ink, points }],
    domain: lossDomain(values),
    reference: referenceLine(reference?.label, reference?.loss),
  };
}

function accuracyPanel(epochs: readonly CurvePoint[], { reference }: CurveOptions, theme: Theme): LinesPanel {
  const train = epochs.map(({ epoch, trainAccuracy }) => ({ epoch, value: trainAccuracy }));
  const test = epochs.map(({ epoch, testAccuracy }) => ({ epoch, value: testAccuracy }));
  const values = [...train, ...test].map(({ value }) => value).concat(reference?.testAccuracy ?? []);
  return {
    ...size,
    format,
    lines: [
      { label: "train", colour: theme.blue, dash: "6 3", points: train },
      { label: "test", colour: theme.orange, points: test },
    ],
    domain: accuracyDomain(values),
    reference: referenceLine(reference?.label, reference?.testAccuracy),
  };
}

function referenceLine(label: string | undefined, value: number | undefined) {
  return label === undefined || value === undefined ? undefined : { label, value };
}
