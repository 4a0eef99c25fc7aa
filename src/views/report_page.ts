import { type Activations, activationsSvg } from "./activations.js";
import { type ConfusionMatrix, confusionSvg } from "./confusion.js";
import { accuracySvg, type CurvePoint, lossSvg } from "./curves.js";
import type { ViewOptions } from "./drawing.js";
import { Html, html } from "./html.js";
import { type Kernels, kernelsSvg } from "./kernels.js";
import {
  deadSharesSvg,
  gradientNormsSvg,
  type LayerStatistics,
  type LayerStatisticsPoint,
} from "./layer_health.js";
import { type Mistake, mistakesSvg } from "./mistakes.js";
import { pageStyle } from "./page_style.js";
import { percent } from "./percent.js";
import { pageTheme } from "./theme.js";

/** An epoch as `metrics.jsonl` holds it. */
export interface ReportEpoch extends CurvePoint {
  readonly seconds?: number;
  readonly examplesPerSecond?: number;
  /** As `layerStatistics` measured it after the epoch. */
  readonly layers?: LayerStatistics;
}

/** What can be seen of a trained network. */
export interface Inspection {
  /** Test images looked at, of `testCount`. */
  readonly examples: number;
  readonly testCount: number;
  readonly accuracy: number;
  readonly confusion: ConfusionMatrix;
  /** The surest first. */
  readonly mistakes: readonly Mistake[];
  /** Null where the first layer with weights is neither a convolution nor linear on the image. */
  readonly kernels: Kernels | null;
  /** Of a pullover and a coat where there are such, else of the two classes that are mistaken most. */
  readonly activations: readonly [Activations, Activations];
  readonly layers: LayerStatistics;
}

/** All that a run's page shows. */
export interface Report {
  readonly title: string;
  readonly subtitle: string;
  readonly epochs: readonly ReportEpoch[];
  /** Epochs that the run was to take at most. */
  readonly planned: number;
  /** Whether it ended before, since no epoch was better any more. */
  readonly stoppedEarly: boolean;
  readonly published: {
    readonly loss: number;
    readonly trainAccuracy: number;
    readonly testAccuracy: number;
  } | null;
  /** Null before there are weights. */
  readonly inspection: Inspection | null;
  readonly configuration: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, unknown>>;
}

/** A drawing of the report under the name of its file. */
export interface Chart {
  readonly name: string;
  readonly title: string;
  /** What there is to know below it. */
  readonly note: string;
  readonly section: "Training" | "Mistakes" | "Inside the network";
  readonly draw: (options: ViewOptions) => string;
}

/** The drawings of a report, in the page's order; those without data are left out. */
export function chartsOf(report: Report): Chart[] {
  const { epochs, published, inspection } = report;
  const reference = published ? { label: "the book", ...published } : undefined;
  const book = published
    ? "Dotted: as published in Dive into Deep Learning, after ten epochs on all 60,000 images."
    : "";
  const charts: Chart[] = [
    {
      name: "loss",
      title: "Loss",
      note: `Mean cross-entropy of the training images, in nats. ${book}`,
      section: "Training",
      draw: (options) => lossSvg(epochs, { ...options, reference }),
    },
    {
      name: "accuracy",
      title: "Accuracy",
      note: "Share of images that are recognized, those trained on and those never seen.",
      section: "Training",
      draw: (options) => accuracySvg(epochs, { ...options, reference }),
    },
  ];
  if (!inspection) return charts;
  const { confusion, mistakes, kernels, activations, examples, testCount, accuracy, layers } = inspection;
  const count = examples === testCount ? number(testCount) : `${number(examples)} of ${number(testCount)}`;
  charts.push(
    {
      name: "confusion",
      title: "What is taken for what",
      note: `${percent(accuracy)} of ${count} test images are right${bySavedWeights(report)}. A row is a true class, a column a prediction.`,
      section: "Mistakes",
      draw: (options) => confusionSvg(confusion, options),
    },
    {
      name: "mistakes",
      title: "Worst mistakes",
      note: "The test images of which the network was surest, and wrong: in orange what it says, below what it is.",
      section: "Mistakes",
      draw: (options) => mistakesSvg(mistakes, options),
    },
  );
  if (kernels)
    charts.push({
      name: "kernels",
      title: "First-layer kernels",
      note:
        kernels.shape[1] === 3
          ? "What each kernel looks for."
          : "Blue adds, orange takes away, on one scale.",
      section: "Inside the network",
      draw: (options) => kernelsSvg(kernels, options),
    });
  const recorded = epochs.flatMap(({ epoch, layers }): LayerStatisticsPoint[] =>
    layers ? [{ epoch, ...layers }] : [],
  );
  const points = recorded.length > 0 ? recorded : [{ epoch: epochs.at(-1)?.epoch ?? 1, ...layers }];
  const when = recorded.length > 1 ? "after each epoch" : "as it is now";
  charts.push({
    name: "gradient-norms",
    title: "Gradient norm by layer",
    note: `Of the weights, on one batch, ${when}.`,
    section: "Inside the network",
    draw: (options) => gradientNormsSvg(points, options),
  });
  if (points.some(({ deadShares }) => Object.keys(deadShares).length > 0))
    charts.push({
      name: "dead-relus",
      title: "Dead ReLUs by layer",
      note: `Share of channels that are 0 on a whole batch, ${when}.`,
      section: "Inside the network",
      draw: (options) => deadSharesSvg(points, options),
    });
  charts.push({
    name: "activations",
    title: `A ${activations[0].label} and a ${activations[1].label}`,
    note: "Of each activation the six channels that vary most, or all features; the stronger the blue, the larger. At the end what the network says, the truth in blue.",
    section: "Inside the network",
    draw: (options) => activationsSvg(activations, confusion.classNames, options),
  });
  return charts;
}

/** The page's content; `data-part` marks what a live page replaces. */
export function reportMain(report: Report): string {
  const { title, subtitle, configuration, environment, inspection } = report;
  const charts = chartsOf(report);
  const section = (heading: Chart["section"]) => {
    const own = charts.filter((chart) => chart.section === heading);
    return html`<section data-part="${heading}">${
      own.length === 0
        ? ""
        : html`<h2>${heading}</h2>
<div class="panels">${own.map(chartHtml)}</div>`
    }</section>`;
  };
  const waiting = html`<p class="note">Mistakes, kernels and activations appear once there are weights: after the first epoch.</p>`;
  return html`<header><h1>${title}</h1><p class="subtitle">${subtitle}</p></header>
<section data-part="figures" aria-label="Results">${figures(report)}</section>
${section("Training")}
<div data-part="epochs">${epochTable(report.epochs)}${inspection ? "" : waiting}</div>
${section("Mistakes")}
${section("Inside the network")}
<section data-part="settings"><h2>Settings</h2><div class="panels">
<div><h3>Configuration</h3>${pairs(configuration)}</div>
<div><h3>Environment</h3>${pairs(environment)}</div>
</div></section>`.text;
}

/** The title of a report's page, which a browser shows in its tab. */
export function pageTitle(report: Report): string {
  const { title, epochs, planned } = report;
  return isUnfinished(report) ? `${epochs.length}/${planned} ${title}` : title;
}

function isUnfinished({ epochs, planned, stoppedEarly }: Report): boolean {
  return epochs.length < planned && !stoppedEarly;
}

/** Where a stopped run's weights are not those of the epoch whose figures stand at the top, both by name. */
function bySavedWeights(report: Report): string {
  const { epochs, inspection } = report;
  if (!isUnfinished(report) || !inspection || inspection.examples < inspection.testCount) return "";
  const saved = ", by the weights as the run saved them last";
  const last = epochs.at(-1);
  const isTold = last && percent(last.testAccuracy) !== percent(inspection.accuracy);
  return isTold ? `${saved}; after epoch ${last.epoch} it was ${percent(last.testAccuracy)}` : saved;
}

export interface PageOptions {
  /** A script at the page's end, which the caller's policy allows. */
  readonly script?: string;
  /** A content security policy for a page without a server. */
  readonly policy?: string;
}

/** The whole report as one HTML page that needs nothing else. */
export function reportPage(report: Report, { script, policy }: PageOptions = {}): string {
  const meta =
    policy === undefined ? "" : html`<meta http-equiv="Content-Security-Policy" content="${policy}">\n`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
${meta}<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${pageTitle(report)}</title>
<link rel="icon" href="${icon}">
<style>${new Html(pageStyle)}</style>
</head>
<body>
<main>
${
  script === undefined
    ? ""
    : html`<p class="live" role="status">live</p>
`
}${new Html(reportMain(report))}
</main>
${script === undefined ? "" : html`<script>${new Html(script)}</script>\n`}</body>
</html>
`.text;
}

function chartHtml({ title, note, draw }: Chart): Html {
  return html`<figure><h3>${title}</h3>
${new Html(draw({ theme: pageTheme }))}<figcaption>${note}</figcaption></figure>`;
}

function figures(report: Report): Html {
  const { epochs, planned, published, stoppedEarly } = report;
  const last = epochs.at(-1);
  const best = epochs.reduce<ReportEpoch | undefined>(
    (found, one) => (found && !(one.testAccuracy > found.testAccuracy) ? found : one),
    undefined,
  );
  const book = (value: number | undefined) => (value === undefined ? "" : `the book ${value.toFixed(3)}`);
  const isBest = best === undefined || best === last;
  const seconds = epochs.reduce((sum, one) => sum + (one.seconds ?? 0), 0);
  const speed = last?.examplesPerSecond;
  const rows: [string, string, string][] = [
    [
      "test accuracy",
      share(last?.testAccuracy),
      [
        isUnfinished(report) && last ? `after epoch ${last.epoch}` : "",
        book(published?.testAccuracy),
        isBest ? "" : `best ${share(best.testAccuracy)}`,
      ]
        .filter(Boolean)
        .join(" · "),
    ],
    ["train accuracy", share(last?.trainAccuracy), book(published?.trainAccuracy)],
    ["loss", share(last?.loss), book(published?.loss)],
    [
      "epochs",
      isUnfinished(report) ? `${epochs.length} of ${planned}` : `${epochs.length}`,
      [
        stoppedEarly ? "stopped early" : "",
        seconds > 0 ? time(seconds) : "",
        speed ? `${number(Math.round(speed))} images/s` : "",
      ]
        .filter(Boolean)
        .join(" · "),
    ],
  ];
  return html`<dl class="figures">${rows.map(
    ([name, value, remark]) =>
      html`<div><dt>${name}</dt><dd>${value}</dd><dd class="remark">${remark}</dd></div>`,
  )}</dl>`;
}

function epochTable(epochs: readonly ReportEpoch[]): Html {
  return html`<details><summary>All epochs as a table</summary>
<div class="scroll" role="region" aria-label="Epochs" tabindex="0"><table>
<thead><tr><th scope="col">epoch</th><th scope="col">loss</th><th scope="col">train</th><th scope="col">test</th><th scope="col">seconds</th></tr></thead>
<tbody>${epochs.map(
    ({ epoch, loss, trainAccuracy, testAccuracy, seconds }) =>
      html`<tr><th scope="row">${epoch}</th><td>${share(loss)}</td><td>${share(trainAccuracy)}</td><td>${share(testAccuracy)}</td><td>${seconds === undefined ? "–" : seconds.toFixed(1)}</td></tr>`,
  )}</tbody></table></div></details>`;
}

function pairs(record: Readonly<Record<string, unknown>>): Html {
  return html`<dl class="pairs">${Object.entries(record).map(
    ([name, value]) => html`<div><dt>${words(name)}</dt><dd>${setting(value)}</dd></div>`,
  )}</dl>`;
}

function setting(value: unknown): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.join(", ");
  if (typeof value !== "object" || value === null) return String(value);
  return Object.entries(value)
    .map(([name, one]) => `${words(name)} ${setting(one)}`)
    .join(", ");
}

/** "clipGradNorm" as "clip grad norm". */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function share(value: number | undefined | null): string {
  return value !== undefined && value !== null && Number.isFinite(value) ? value.toFixed(3) : "–";
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}

function time(seconds: number): string {
  if (seconds < 100) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const icon = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#c05000" d="M1 3h6v4H1zM9 3h6v4H9zM1 9h14v4H1z"/></svg>',
)}`;
