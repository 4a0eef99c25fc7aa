import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { shellCommand } from "../core/command_line.js";
import { UserError } from "../core/errors.js";
import { classNamesOf, type LoadOptions, type Normalization, requireNormalization } from "../data/index.js";
import { isModelFile, loadModel, modelChecksum } from "../models/model_file.js";
import type { Sequential } from "../nn/index.js";
import { bestEpoch, type EpochResult } from "../train/callbacks.js";
import { CheckpointStore } from "../train/checkpoint.js";
import { lockHolders } from "../train/lock.js";
import { recipeNames, recipes } from "../train/recipes.js";
import type { RunConfig } from "../train/run_config.js";
import { RunDirectory } from "../train/run_directory.js";
import { loadWeights } from "../train/weights_file.js";
import type { LayerStatistics } from "../views/layer_health.js";

/** The same from src/deploy/ and from dist/deploy/. */
const shipped = fileURLToPath(new URL("../../weights", import.meta.url));

/** What runs of earlier versions do not name. */
const earliest: Partial<RunConfig> = { ...recipes.notebook, recipe: "notebook" };

/** Where a run's images lie now, if not where they did. */
export interface DataPlace {
  readonly dataDir?: string;
  readonly sample?: true;
}

/** A run that was begun before. */
export interface SavedRun {
  readonly directory: RunDirectory;
  /** Settings that its version did not know yet are the notebook's. */
  readonly config: RunConfig;
  /** Whether it is weights that ship: a part of the package, in which nothing is written. */
  readonly isShipped: boolean;
}

/** A line of `metrics.jsonl`; runs of earlier versions did not measure their layers. */
export type EpochRecord = EpochResult & { readonly layers?: LayerStatistics };

/** How far a run is. */
export interface RunStanding {
  /** Finished epochs. */
  readonly epochs: readonly EpochRecord[];
  /** The epoch with the best test accuracy. */
  readonly best: EpochRecord | undefined;
  readonly finished: boolean;
  readonly running: boolean;
}

/** A trained network, and what it needs to be used. */
export interface TrainedNetwork {
  readonly net: Sequential;
  /** The name of its model, such as `lenet`, or the path of a user's own file. */
  readonly model: string;
  readonly classNames: readonly string[];
  /** How the pixels it was trained on were normalized; null where they stayed in [0, 1]. */
  readonly normalization: Normalization | null;
  /** The images it was trained on. */
  readonly data: LoadOptions;
}

/** Names of the weights that ship with Flybrick. */
export function shippedWeights(): string[] {
  const entries = readdirSync(shipped, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** The directory of a run: a path, or else the name of shipped weights. Throws a UserError if it is neither. */
function findRun(run: string): { path: string; isShipped: boolean } {
  if (existsSync(run)) return { path: run, isShipped: false };
  const names = shippedWeights();
  if (names.includes(run)) return { path: join(shipped, run), isShipped: true };
  throw new UserError(
    `there is no run ${run}: name a directory that \`npx flybrick train\` wrote, or weights that ship (${names.join(", ")})`,
  );
}

/**
 * Opens a run, a directory or shipped weights by their name, to read it; `data` says where its images lie now. Throws a
 * UserError where there is no run or its configuration is damaged.
 */
export async function openRun(run: string, data: DataPlace = {}): Promise<SavedRun> {
  const { path: found, isShipped } = findRun(run);
  const directory = await RunDirectory.open(found);
  const { dataDir, sample } = data;
  const config: RunConfig = {
    ...earliest,
    ...(directory.config as unknown as RunConfig),
    // A folder given now goes before a sample taken then.
    ...(dataDir === undefined ? {} : { dataDir, sample: false }),
    ...(sample === undefined ? {} : { sample }),
  };
  const { model, resize, normalize, recipe } = config;
  const path = join(directory.path, "config.json");
  if (typeof model !== "string")
    throw new UserError(`${path}: model is ${JSON.stringify(model)}; it must be a name`);
  if (!Number.isSafeInteger(resize) || resize < 1)
    throw new UserError(`${path}: resize is ${JSON.stringify(resize)}; it must be a whole number`);
  if (!Object.hasOwn(recipes, recipe))
    throw new UserError(
      `${path}: there is no recipe ${JSON.stringify(recipe)}; choose one of ${recipeNames.join(", ")}`,
    );
  if (normalize) requireNormalization(normalize);
  return { directory, config, isShipped };
}

/** The finished epochs of a run; lines that tell of something else are left out. */
export async function readEpochs({ directory }: SavedRun): Promise<EpochRecord[]> {
  const records = await directory.readMetrics();
  return records.filter(
    ({ epoch, testAccuracy }) => typeof epoch === "number" && testAccuracy !== undefined,
  ) as unknown as EpochRecord[];
}

/** How far a run is. Throws a UserError where its files are damaged. */
export async function readStanding(run: SavedRun): Promise<RunStanding> {
  const { directory, config } = run;
  const epochs = await readEpochs(run);
  const state = await new CheckpointStore(directory.checkpoints).peek();
  return {
    epochs,
    best: bestEpoch(epochs),
    // Without checkpoints, as in runs of earlier versions, the metrics have to do.
    finished: state?.finished ?? (config.checkpointEvery === undefined && epochs.length >= config.epochs),
    running: (await lockHolders(directory.path)).length > 0,
  };
}

/** Throws a UserError where a run's network is of a user's own file that is gone or has changed. */
export async function requireSameModel({ directory, config }: SavedRun): Promise<void> {
  const { model } = config;
  if (isModelFile(model) && !existsSync(model))
    throw new UserError(
      `${model}, the network of ${directory.path}, is not there any more: restore it, or train anew.`,
    );
  if ((await modelChecksum(model)) !== config.modelChecksum)
    throw new UserError(`${model} has changed since ${directory.path} was begun: restore it, or train anew.`);
}

/**
 * The network of a run with the weights that it last saved, or those of another file, such as a checkpoint of its. Throws a
 * UserError where its model is gone or has changed, or the weights are damaged or not there yet.
 */
export async function loadNetwork(run: SavedRun, file?: string): Promise<Sequential> {
  await requireSameModel(run);
  const { model, resize, seed } = run.config;
  const net = (await loadModel(model, seed)).build([1, resize, resize]);
  const { path } = run.directory;
  const weights = file ?? join(path, "model.safetensors");
  if (file === undefined && !existsSync(weights))
    throw new UserError(
      `${path} holds no weights yet, since no epoch of it was finished: go on with it by \`${shellCommand("train", "--resume", path)}\`.`,
    );
  await loadWeights(net, weights);
  return net;
}

/** All that is needed to use a run's network; see `openRun` and `loadNetwork`. */
export async function loadTrained(
  run: string,
  { weights, ...place }: DataPlace & { readonly weights?: string | undefined } = {},
): Promise<TrainedNetwork> {
  const saved = await openRun(run, place);
  const { model, data: name, dataDir: directory, sample, normalize } = saved.config;
  const classNames = classNamesOf(name);
  return {
    net: await loadNetwork(saved, weights),
    model,
    classNames,
    normalization: normalize || null,
    data: { name, directory, sample },
  };
}
