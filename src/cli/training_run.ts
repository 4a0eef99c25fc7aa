import { shellCommand } from "../core/command_line.js";
import { DeviceLostError, OutOfMemoryError, UserError } from "../core/errors.js";
import { version } from "../core/version.js";
import { batchCount, type ImageData, loadImageData, normalizationOf } from "../data/index.js";
import type { Device } from "../devices/device.js";
import type { ProcessGroup } from "../distributed/process_group.js";
import { loadModel, modelTitle } from "../models/model_file.js";
import type { Sequential } from "../nn/index.js";
import { manualSeed } from "../ops/random.js";
import { useDevice } from "../tensor/evaluate.js";
import type { EpochResult, Progress, ResumeEvent } from "../train/callbacks.js";
import { augmentationOf, type RecipeSettings, recipeOptions } from "../train/recipes.js";
import type { RunConfig } from "../train/run_config.js";
import { RunDirectory } from "../train/run_directory.js";
import { fixedBatch, layerStatistics } from "../train/statistics.js";
import { train } from "../train/train.js";
import { DivergedError, type TrainResult } from "../train/training_loop.js";
import { encodeWeights } from "../train/weights.js";
import { loadWeights } from "../train/weights_file.js";
import { untilInterrupted } from "./interrupt.js";
import { recipeTitle } from "./recipe_words.js";

/** Where a run's events go: a terminal, or lines of JSON. */
export interface RunReporter {
  resume(event: ResumeEvent): void;
  progress(progress: Progress): void;
  epoch(result: EpochResult): void;
  note(text: string): void;
  /** Training is over; only notes may follow. Safe to call twice. */
  stop(): void;
}

export type RunOutcome = TrainResult;

/** A configuration whose normalization is in numbers. */
export function inNumbers(
  config: Omit<RunConfig, "normalize"> & Pick<RecipeSettings, "normalize">,
): RunConfig {
  const { normalize } = config;
  return { ...config, normalize: normalize === true ? normalizationOf(config.data) : normalize };
}

/** What decides the data that a network sees. */
export type DataConfig = Pick<RunConfig, "data" | "dataDir" | "sample" | "resize" | "normalize"> &
  Partial<Pick<RunConfig, "augment">>;

/** The data set of a configuration; names each file that has to be downloaded. */
export function loadData(
  { data, dataDir, sample, resize, normalize, augment = [] }: DataConfig,
  note: (text: string) => void,
): Promise<ImageData> {
  let announced = "";
  const change = augmentationOf(augment);
  return loadImageData(data, {
    sample,
    resize,
    normalize,
    ...(change === undefined ? {} : { augment: change }),
    ...(dataDir === undefined ? {} : { directory: dataDir }),
    onProgress: ({ file }) => {
      if (file !== announced) note(`downloading ${file}`);
      announced = file;
    },
  });
}

/** The network of a configuration. Throws a RangeError that names the layer where the input size does not fit. */
export async function buildModel({
  model,
  resize,
}: Pick<RunConfig, "model" | "resize">): Promise<Sequential> {
  return (await loadModel(model)).build([1, resize, resize]);
}

/**
 * Trains as configured into a run directory: metrics and curves after each epoch, weights at the end, on Ctrl-C,
 * and after each epoch, so that a loss that is no number leaves the last good ones; checkpoints in between. With
 * `resume` it goes on where the run's last checkpoint was written. Of a group, rank 0 alone has a run directory.
 */
export async function runTraining(
  config: RunConfig,
  data: ImageData,
  device: Device,
  path: string,
  report: RunReporter,
  options: { progressSeconds?: number; resume?: boolean; group?: ProcessGroup } = {},
): Promise<RunOutcome> {
  useDevice(device);
  const model = await loadModel(config.model, config.seed);
  manualSeed(config.seed);
  const net = model.build([1, config.resize, config.resize]);
  const recipe = recipeOptions(config);
  batchCount(data.trainSet.count, config.batchSize);
  const settings = {
    ...recipe,
    trainSet: data.trainSet,
    testSet: data.testSet,
    epochs: config.epochs,
    seed: config.seed,
    ...(config.microBatchSize === undefined ? {} : { microBatchSize: config.microBatchSize }),
    ...(config.earlyStopping === undefined ? {} : { earlyStopping: config.earlyStopping }),
    ...(config.weights === undefined ? {} : { initializer: null }),
    ...(options.progressSeconds === undefined ? {} : { progressSeconds: options.progressSeconds }),
    ...(options.group ? { distributed: options.group } : {}),
  };
  const checkpoint = {
    ...(config.checkpointEvery === undefined ? {} : { every: config.checkpointEvery }),
    ...(config.keepCheckpoints === undefined ? {} : { keep: config.keepCheckpoints }),
    resume: options.resume ?? false,
  };
  if (options.group && options.group.rank > 0)
    return untilInterrupted((signal) =>
      train(net, { ...settings, signal, checkpoint: { ...checkpoint, directory: path } }),
    );

  const resumed = options.resume ? await RunDirectory.resume(path) : undefined;
  const isBegun = await resumed?.hasCheckpoints();
  if (config.weights !== undefined && !isBegun) await loadWeights(net, config.weights);
  const run =
    resumed ??
    (await RunDirectory.create(path, {
      ...config,
      dataSource: data.source,
      isSample: data.isSample,
      ...environment(device),
    }));
  const save = async (): Promise<void> => run.writeFile("model.safetensors", await encodeWeights(net));

  const epochs: EpochResult[] = [];
  const work = async (signal: AbortSignal): Promise<TrainResult> => {
    try {
      const result = await train(net, {
        ...settings,
        signal,
        checkpoint: { ...checkpoint, directory: run.checkpoints },
        onResume: async (event) => {
          epochs.push(...event.epochs);
          await run.keepMetrics(epochs.length);
          report.resume(event);
        },
        onProgress: (progress) => report.progress(progress),
        onWarning: (message) => report.note(`Warning: ${message}`),
        onEpoch: async (epoch) => {
          epochs.push(epoch);
          const layers = await layerStatistics(net, fixedBatch(data.testSet));
          await run.appendMetrics({ ...epoch, layers });
          await run.writeFile("curves.svg", await curves(config, data, epochs));
          await save();
          report.epoch(epoch);
        },
      });
      if (result.stopped) await save();
      return result;
    } catch (error) {
      // The network holds the last good weights again.
      if (error instanceof DivergedError) await save();
      if (error instanceof DeviceLostError || error instanceof OutOfMemoryError)
        throw new UserError(
          (await run.hasCheckpoints()) ? `${error.message}:\n  ${resumeCommand(path)}` : error.message,
          { cause: error },
        );
      throw error;
    }
  };
  return untilInterrupted(work, {
    onStop: () => report.note("Stopping after this step; press Ctrl-C again to stop at once without saving."),
    onQuit: () => report.stop(),
  }).finally(() => run.close());
}

async function curves(config: RunConfig, data: ImageData, epochs: readonly EpochResult[]): Promise<string> {
  // Takes longer to load than all the rest, and most commands draw nothing.
  const { curvesSvg } = await import("../views/curves.js");
  const set = `${config.data}${data.isSample ? " (sample of 6,000 + 1,000)" : ""}`;
  const rate = `${config.optimizer}, learning rate ${config.learningRate}, batch ${config.batchSize}, seed ${config.seed}`;
  const recipe = recipeTitle(config);
  return curvesSvg(epochs, {
    title: `${modelTitle(config.model)} on ${set}`,
    subtitle: recipe === "notebook" ? rate : `${rate}, recipe ${recipe}`,
  });
}

/** What there is to say of a run that Ctrl-C stopped. */
export function stoppedText(steps: number, path: string): string {
  return `Stopped after step ${steps}; weights are in ${path}.\nGo on with:\n  ${resumeCommand(path)}`;
}

function resumeCommand(path: string): string {
  return shellCommand("train", "--resume", path);
}

function environment(device: Device): Record<string, unknown> {
  return {
    device: device.name,
    deviceDescription: device.description,
    flybrick: version,
    node: process.version,
    startedAt: new Date().toISOString(),
  };
}
