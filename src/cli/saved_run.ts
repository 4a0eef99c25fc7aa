import { join } from "node:path";
import { findRun } from "../deploy/saved_run.js";
import { loadModel } from "../models/model_file.js";
import type { Sequential } from "../nn/index.js";
import { RunDirectory } from "../train/run_directory.js";
import { loadWeights } from "../train/weights.js";
import { buildModel, type DataConfig, type RunConfig } from "./training_run.js";

/** A run that was trained before, and how its data are to be had. */
export interface SavedRun {
  readonly directory: RunDirectory;
  readonly config: DataConfig & Pick<RunConfig, "model" | "recipe">;
}

/** Opens a run; the flags say where its data lie now. Throws a UserError where there is no run, or no such model. */
export async function openSavedRun(
  path: string,
  flags: { dataDir?: string; sample?: true } = {},
): Promise<SavedRun> {
  const directory = await RunDirectory.open(findRun(path));
  const saved = directory.config as unknown as RunConfig;
  await loadModel(saved.model);
  const dataDir = flags.dataDir ?? saved.dataDir;
  return {
    directory,
    config: {
      model: saved.model,
      data: saved.data,
      sample: flags.sample ?? saved.sample,
      resize: saved.resize,
      // Runs of earlier versions name neither.
      normalize: saved.normalize ?? false,
      recipe: saved.recipe ?? "notebook",
      ...(dataDir === undefined ? {} : { dataDir }),
    },
  };
}

/** The network of a run with the weights that it last saved. */
export async function loadNetwork({ directory, config }: SavedRun): Promise<Sequential> {
  const net = await buildModel(config);
  await loadWeights(net, join(directory.path, "model.safetensors"));
  return net;
}
