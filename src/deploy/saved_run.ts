import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../core/errors.js";
import { classNamesOf, type ImageSetName, type Normalization, requireNormalization } from "../data/index.js";
import { findModel } from "../models/index.js";
import type { Sequential } from "../nn/index.js";
import { RunDirectory } from "../train/run_directory.js";
import { loadWeights } from "../train/weights.js";

/** The same from src/deploy/ and from dist/deploy/. */
const shipped = fileURLToPath(new URL("../../weights", import.meta.url));

/** A trained network, and what it needs to be used. */
export interface SavedRun {
  /** Its run directory. */
  readonly path: string;
  /** The name of its model, such as `lenet`. */
  readonly model: string;
  readonly net: Sequential;
  readonly classNames: readonly string[];
  /** How the pixels it was trained on were normalized; null where they stayed in [0, 1]. */
  readonly normalization: Normalization | null;
  readonly data: ImageSetName;
}

/** Names of the weights that ship with Flybrick. */
export function shippedWeights(): string[] {
  const entries = readdirSync(shipped, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** The directory of a run: a path, or else the name of shipped weights. Throws a UserError if it is neither. */
export function findRun(run: string): string {
  if (existsSync(run)) return run;
  const names = shippedWeights();
  if (names.includes(run)) return join(shipped, run);
  throw new UserError(
    `there is no run ${run}: name a directory that \`flybrick train\` wrote, or weights that ship (${names.join(", ")})`,
  );
}

/** Builds a run's network and reads its weights. Throws a UserError if the run is none, unfinished or damaged. */
export async function loadRun(run: string): Promise<SavedRun> {
  const { path, config } = await RunDirectory.open(findRun(run));
  const { model, resize, data, normalize } = config as Record<string, unknown>;
  const entry = findModel(String(model));
  if (!Number.isSafeInteger(resize) || (resize as number) < 1) {
    throw new UserError(
      `${join(path, "config.json")}: resize is ${JSON.stringify(resize)}; it must be a whole number`,
    );
  }
  // Runs of earlier versions do not name it.
  const normalization = normalize ? (normalize as Normalization) : null;
  if (normalization) requireNormalization(normalization);
  const classNames = classNamesOf(data as ImageSetName);
  const size = resize as number;
  const net = entry.build([1, size, size], classNames.length);
  await loadWeights(net, join(path, "model.safetensors"));
  return { path, model: String(model), net, classNames, normalization, data: data as ImageSetName };
}
