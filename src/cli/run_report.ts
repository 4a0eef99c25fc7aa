import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type ImageData, imageSetTitle } from "../data/index.js";
import { loadNetwork, readEpochs, type SavedRun } from "../deploy/saved_run.js";
import { findModel } from "../models/index.js";
import { isModelFile, modelTitle, publishedResult } from "../models/model_file.js";
import { epochsSinceBest } from "../train/callbacks.js";
import { inspect } from "../train/inspection.js";
import type { RunConfig } from "../train/run_config.js";
import { pageStyle } from "../views/page_style.js";
import type { Inspection, Report } from "../views/report_page.js";
import { recipeTitle } from "./recipe_words.js";

const environmentKeys = [
  "device",
  "deviceDescription",
  "dataSource",
  "isSample",
  "flybrick",
  "node",
  "startedAt",
];

/** What a run's directory says, without what its weights do. */
export async function readReport(run: SavedRun): Promise<Report> {
  const { directory, config } = run;
  const { model, data, optimizer, learningRate, batchSize, seed, epochs: planned, earlyStopping } = config;
  const epochs = await readEpochs(run);
  const title = isModelFile(model) ? modelTitle(model) : findModel(model).title;
  const entries = Object.entries({
    ...directory.config,
    checkpointEvery: intervalText(config.checkpointEvery),
  });
  return {
    title: `${title} on ${imageSetTitle(data)}`,
    subtitle: [
      directory.config.sample ? "the sample of 6,000 + 1,000 images" : "all images",
      `recipe ${recipeTitle(config)}`,
      // Spaces at which no line breaks.
      `${optimizer}\u00a0${learningRate}`,
      `batch\u00a0${batchSize}`,
      `seed\u00a0${seed}`,
    ].join(" · "),
    epochs,
    planned,
    stoppedEarly: epochs.length < planned && epochsSinceBest(epochs) >= (earlyStopping ?? planned),
    published: publishedResult(model, data) ?? null,
    inspection: null,
    configuration: Object.fromEntries(entries.filter(([name]) => !environmentKeys.includes(name))),
    environment: Object.fromEntries(entries.filter(([name]) => environmentKeys.includes(name))),
  };
}

function intervalText(every: RunConfig["checkpointEvery"]): string {
  if (every === undefined) return "never";
  return "steps" in every ? `${every.steps} steps` : `${every.seconds} seconds`;
}

/** What the weights of a run do on (at most so many of) the test images; null before the first weights. */
export async function inspectRun(
  run: SavedRun,
  data: ImageData,
  examples?: number,
): Promise<Inspection | null> {
  if (!existsSync(join(run.directory.path, "model.safetensors"))) return null;
  return inspect(await loadNetwork(run), data, examples === undefined ? {} : { examples });
}

/** A content security policy that allows a page its own style sheet, its script where it has one, and pictures in it. */
export function pagePolicy(script?: string): string {
  const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  return [
    "default-src 'none'",
    "img-src data:",
    `style-src ${hash(pageStyle)}`,
    ...(script === undefined
      ? []
      : [`script-src ${hash(script)}`, "connect-src 'self'", "frame-ancestors 'none'"]),
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}
