import { UserError } from "../core/errors.js";
import { bestEpoch, type EpochResult } from "../train/callbacks.js";
import { CheckpointStore } from "../train/checkpoint.js";
import { lockHolders } from "../train/lock.js";
import { recipes } from "../train/recipes.js";
import { RunDirectory } from "../train/run_directory.js";
import type { RunConfig } from "./training_run.js";

/** What a run's directory tells without opening its weights. */
export interface RunSummary {
  readonly path: string;
  readonly config: RunConfig & { readonly startedAt?: string };
  /** Finished epochs. */
  readonly epochs: readonly EpochResult[];
  /** The epoch with the best test accuracy. */
  readonly best: EpochResult | undefined;
  readonly finished: boolean;
  readonly running: boolean;
}

/** Reads a run. Throws a UserError where `path` holds none, or its files are damaged. */
export async function readRun(path: string): Promise<RunSummary> {
  const run = await RunDirectory.open(path);
  // Runs of earlier versions lack settings that were added since.
  const config = { ...recipes.notebook, ...run.config } as unknown as RunSummary["config"];
  const epochs = (await run.readMetrics()) as unknown as EpochResult[];
  const state = await new CheckpointStore(run.checkpoints).peek();
  return {
    path,
    config,
    epochs,
    best: bestEpoch(epochs),
    // Without checkpoints, as in runs of earlier versions, the metrics have to do.
    finished: state?.finished ?? (config.checkpointEvery === undefined && epochs.length >= config.epochs),
    running: (await lockHolders(path)).length > 0,
  };
}

/** Throws a UserError for a run of a version that wrote no checkpoints, unless it is finished. */
export function requireCheckpoints({ path, config, finished }: RunSummary): void {
  if (finished || config.checkpointEvery !== undefined) return;
  throw new UserError(
    `${path} was begun by a version of Flybrick that wrote no checkpoints: train anew from its weights by --weights ${path}/model.safetensors.`,
  );
}
