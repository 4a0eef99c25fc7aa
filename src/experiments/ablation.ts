import { join } from "node:path";
import { UserError } from "../core/errors.js";
import { Dataset, type DatasetOptions, type ImageSet, type LabelledImages } from "../data/index.js";
import type { Sequential } from "../nn/index.js";
import { manualSeed } from "../ops/random.js";
import { sgd } from "../optim/index.js";
import { evaluate } from "../train/evaluate.js";
import { augmentationOf } from "../train/recipes.js";
import { layerStatistics } from "../train/statistics.js";
import { train } from "../train/train.js";
import { DivergedError } from "../train/training_loop.js";
import type { LayerStatisticsPoint } from "../views/layer_health.js";
import {
  type Conditions,
  digestOf,
  fileName,
  type Kept,
  keptOrMade,
  keptUnder,
  makeResultsDirectory,
} from "./kept.js";
import { chosenNames } from "./names.js";
import {
  alexnetLike,
  alexnetVariants,
  claimVariants,
  type Design,
  initializerOf,
  lenetLike,
  lenetVariants,
  notebookVariants,
  sizeVariants,
  startVariants,
  type Variant,
} from "./variants.js";

/** An experiment: variants of a network under one setting. */
export interface Study {
  readonly title: string;
  readonly variants: readonly Variant[];
  readonly build: (design: Design, size: number) => Sequential;
  readonly setting: Setting;
}

/** How a study trains. The first images of the data set train, those after them choose the learning rate. */
export interface Setting {
  readonly size: number;
  readonly images: number;
  readonly validationImages: number;
  readonly epochs: number;
  readonly batchSize: number;
  readonly momentum: number;
  /**
   * Each variant keeps the one that is best on the validation images under the first seed; where that is the largest of
   * several, or no better than the smallest, larger or smaller ones are tried, too.
   */
  readonly learningRates: readonly number[];
  readonly seeds: readonly number[];
}

/** Few images, many epochs and momentum, so that a network can overfit: what dropout and augmentation are against. */
const overfitting = {
  images: 5000,
  validationImages: 1000,
  momentum: 0.9,
  seeds: [0, 1, 2],
} as const;

export const studies = {
  lenet: {
    title: "From LeNet to AlexNet, one change after the other",
    variants: lenetVariants,
    build: lenetLike,
    setting: { ...overfitting, size: 28, epochs: 30, batchSize: 64, learningRates: [0.01, 0.03, 0.1] },
  },
  claims: {
    title: "Parts that the paper names, on a small network",
    variants: claimVariants,
    build: lenetLike,
    setting: { ...overfitting, size: 28, epochs: 30, batchSize: 64, learningRates: [0.01, 0.03, 0.1] },
  },
  start: {
    title: "The first epochs from the paper's initial weights",
    variants: startVariants,
    build: lenetLike,
    setting: { ...overfitting, size: 28, epochs: 6, batchSize: 64, learningRates: [0.01, 0.03, 0.1] },
  },
  alexnet: {
    title: "AlexNet at 112 pixels, one change each",
    variants: alexnetVariants,
    build: alexnetLike,
    setting: {
      ...overfitting,
      size: 112,
      images: 2500,
      epochs: 12,
      batchSize: 64,
      learningRates: [0.003, 0.01, 0.03],
    },
  },
  notebook: {
    title: "AlexNet by the notebook's training, briefly, at 112 pixels",
    variants: notebookVariants,
    build: alexnetLike,
    setting: {
      size: 112,
      images: 20_000,
      validationImages: 1000,
      epochs: 3,
      batchSize: 128,
      momentum: 0,
      learningRates: [0.01],
      seeds: [0],
    },
  },
  sizes: {
    title: "AlexNet on the same images, enlarged",
    variants: sizeVariants,
    build: alexnetLike,
    setting: {
      ...overfitting,
      size: 28,
      images: 2500,
      epochs: 12,
      batchSize: 64,
      learningRates: [0.003, 0.01, 0.03],
    },
  },
} satisfies Record<string, Study>;

export type StudyName = keyof typeof studies;
export const studyNames = Object.keys(studies) as StudyName[];

/** An epoch; accuracies without dropout and augmentation. */
export interface TrialEpoch {
  readonly epoch: number;
  /** Mean training loss, with dropout and augmentation. */
  readonly loss: number;
  /** On the first of the training images, as many as validate. */
  readonly trainAccuracy: number;
  readonly validationAccuracy: number;
}

/** One network, trained once: what a file of the results holds. */
export interface Trial extends Kept {
  readonly variant: string;
  readonly learningRate: number;
  readonly seed: number;
  readonly epochs: readonly TrialEpoch[];
  /** At the start (epoch 0) and after each epoch, on the same batch. */
  readonly layers: readonly LayerStatisticsPoint[];
  /** After the last epoch, on all test images. */
  readonly testAccuracy: number;
  readonly diverged: boolean;
  readonly parameters: number;
  readonly multiplyAdds: number;
  readonly seconds: number;
}

/** Trains one variant once. */
export async function runTrial(
  study: Study,
  variant: Variant,
  learningRate: number,
  seed: number,
  data: ImageSet,
  signal?: AbortSignal,
): Promise<Omit<Trial, keyof Kept>> {
  const { design, size = study.setting.size } = variant;
  const { images, validationImages, epochs: count, batchSize, momentum } = study.setting;
  const augment = augmentationOf(design.augment);
  const set = (part: LabelledImages, options: DatasetOptions = {}): Dataset =>
    new Dataset(part, data.classNames, { size, ...options });
  const trainSet = set(range(data.train, 0, images), augment ? { augment } : {});
  const seen = set(range(data.train, 0, Math.min(images, validationImages)));
  const validation = set(range(data.train, images, validationImages));
  const probe = seen.batch(Int32Array.from({ length: Math.min(batchSize, seen.count) }, (_, k) => k));
  const initializer = initializerOf(design);
  const start = performance.now();
  manualSeed(seed);
  const net = study.build(design, size);
  const epochs: TrialEpoch[] = [];
  const layers: LayerStatisticsPoint[] = [];
  const look = async (epoch: number): Promise<void> => {
    layers.push({ epoch, ...(await layerStatistics(net, probe)) });
  };
  let diverged = false;
  try {
    const { stopped } = await train(net, {
      trainSet,
      testSet: validation,
      optimizer: sgd({ learningRate, momentum, weightDecay: design.weightDecay }),
      batchSize,
      epochs: count,
      seed,
      ...(initializer ? { initializer } : {}),
      ...(signal ? { signal } : {}),
      onStep: async ({ epoch, step }) => {
        if (epoch === 1 && step === 1) await look(0);
      },
      onEpoch: async ({ epoch, loss, testAccuracy }) => {
        const { accuracy } = await evaluate(net, seen);
        epochs.push({ epoch, loss, trainAccuracy: accuracy, validationAccuracy: testAccuracy });
        await look(epoch);
      },
    });
    if (stopped) throw signal!.reason;
  } catch (error) {
    if (!(error instanceof DivergedError)) throw error;
    diverged = true;
  }
  const { accuracy: testAccuracy } = await evaluate(net, set(data.test));
  return {
    variant: variant.name,
    learningRate,
    seed,
    epochs,
    layers,
    testAccuracy,
    diverged,
    parameters: net.parameterCount(),
    multiplyAdds: net.multiplyAdds(),
    seconds: (performance.now() - start) / 1000,
  };
}

/** The images from `from` on. Throws a UserError if there are too few. */
function range(part: LabelledImages, from: number, count: number): LabelledImages {
  const { height, width, channels } = part;
  if (from + count > part.count)
    throw new UserError(
      `this takes ${from + count} training images, but there are ${part.count}: ask for fewer by --images`,
    );
  const pixels = height * width * channels;
  return {
    ...part,
    count,
    images: part.images.subarray(from * pixels, (from + count) * pixels),
    labels: part.labels.subarray(from, from + count),
  };
}

/** A variant at its best learning rate. */
export interface VariantSummary {
  readonly variant: string;
  readonly learningRate: number;
  /** All that were tried, ascending. */
  readonly learningRates: readonly number[];
  readonly parameters: number;
  readonly multiplyAdds: number;
  /** Over the seeds; the spread is the sample's standard deviation, 0 for one seed. */
  readonly testAccuracy: Spread;
  /** Of the last epoch. */
  readonly trainAccuracy: Spread;
  /** Of the seeds, how many ended in a loss that was no number; they count with the weights before it. */
  readonly diverged: number;
  /**
   * The first epoch whose training accuracy is above 75 %, the paper's 25 % training error, under the first seed at the
   * learning rate that is fastest there; null if none gets so far.
   */
  readonly epochsToQuarterError: number | null;
  /** Seconds of a trial, the median. */
  readonly seconds: number;
  readonly trials: readonly Trial[];
}

export interface Spread {
  readonly mean: number;
  readonly deviation: number;
  readonly values: readonly number[];
}

export interface StudyOptions {
  /** Names of variants that are trained; those left out are taken where all their trials are kept. All if left out. */
  readonly only?: readonly string[] | undefined;
  readonly onTrial?: (trial: Trial, place: { done: number; total: number; isKept: boolean }) => void;
  readonly signal?: AbortSignal | undefined;
}

export function variantNames({ variants }: Study): string[] {
  return variants.map(({ name }) => name);
}

/** Learning rates that a search goes on to. */
const ladder = [3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1];
const mostSteps = 2;

/**
 * Trains every variant at several learning rates under the first seed, and at its best one under the others. A finished
 * trial is kept as a file in `directory` and not run again. Throws a UserError on a name that there is none of, and where
 * a file was made under other conditions.
 */
export async function runStudy(
  study: Study,
  data: ImageSet,
  directory: string,
  { only, onTrial, signal }: StudyOptions = {},
): Promise<VariantSummary[]> {
  const { variants, setting } = study;
  const { learningRates, seeds } = setting;
  const [first, ...others] = seeds as [number, ...number[]];
  const wanted = chosenNames("variant", variantNames(study), only);
  const digest = digestOf(data);
  await makeResultsDirectory(directory);
  let done = 0;
  let total = wanted.length * (learningRates.length + others.length);
  /** Undefined where the variant is not asked for, and the trial is not kept. */
  const trial = async (variant: Variant, learningRate: number, seed: number): Promise<Trial | undefined> => {
    const path = join(directory, `${fileName(variant.name)}-${learningRate}-${seed}.json`);
    const conditions = conditionsOf(study, variant, digest, learningRate, seed);
    if (!wanted.includes(variant.name)) return keptUnder<Trial>(path, conditions);
    const { result, isKept } = await keptOrMade(path, conditions, () =>
      runTrial(study, variant, learningRate, seed, data, signal),
    );
    onTrial?.(result, { done: ++done, total, isKept });
    return result;
  };
  /** The trials under the first seed, by ascending rate. */
  const search = async (variant: Variant): Promise<(Trial | undefined)[]> => {
    const tried: (Trial | undefined)[] = [];
    for (const rate of learningRates) tried.push(await trial(variant, rate, first));
    for (let step = 0; step < mostSteps && learningRates.length > 1; step++) {
      if (tried.includes(undefined)) break;
      const next = beyond(tried as Trial[]);
      if (next === undefined) break;
      total++;
      const found = await trial(variant, next, first);
      if (next < tried[0]!.learningRate) tried.unshift(found);
      else tried.push(found);
    }
    return tried;
  };
  const summaries: VariantSummary[] = [];
  for (const variant of variants) {
    const tried = await search(variant);
    if (tried.includes(undefined)) continue;
    const best = bestOf(tried as Trial[]);
    const trials: (Trial | undefined)[] = [best];
    for (const seed of others) trials.push(await trial(variant, best.learningRate, seed));
    if (!trials.includes(undefined)) summaries.push(summarize(tried as Trial[], trials as Trial[]));
  }
  return summaries;
}

function conditionsOf(
  { setting }: Study,
  { design, size = setting.size }: Variant,
  data: string,
  learningRate: number,
  seed: number,
): Conditions {
  const { learningRates: _rates, seeds: _seeds, ...shared } = setting;
  return { data, ...shared, size, ...design, learningRate, seed };
}

/** Of equals the one with the largest rate: where nothing is learned yet, more is worth a try, then less. */
function bestOf(trials: readonly Trial[]): Trial {
  return trials.reduce((a, b) => (lastValidation(b) >= lastValidation(a) ? b : a));
}

/** The learning rate to try next, if the best is the largest, or none is better than the smallest. */
function beyond(trials: readonly Trial[]): number | undefined {
  const [best, smallest] = [bestOf(trials), trials[0]!];
  const larger = ladder.find((rate) => rate > best.learningRate);
  if (best === trials.at(-1) && larger !== undefined) return larger;
  if (lastValidation(smallest) < lastValidation(best)) return undefined;
  return ladder.findLast((rate) => rate < smallest.learningRate);
}

function lastValidation({ epochs, diverged }: Trial): number {
  return diverged ? 0 : epochs.at(-1)!.validationAccuracy;
}

function summarize(tried: readonly Trial[], trials: readonly Trial[]): VariantSummary {
  const { variant, learningRate, parameters, multiplyAdds } = trials[0]!;
  const reached = tried.map(({ epochs }) => epochs.find(({ trainAccuracy }) => trainAccuracy > 0.75)?.epoch);
  const known = reached.filter((epoch) => epoch !== undefined);
  return {
    variant,
    learningRate,
    learningRates: tried.map((trial) => trial.learningRate),
    parameters,
    multiplyAdds,
    testAccuracy: spread(trials.map(({ testAccuracy }) => testAccuracy)),
    trainAccuracy: spread(trials.map(({ epochs }) => epochs.at(-1)?.trainAccuracy ?? 0)),
    diverged: trials.filter(({ diverged }) => diverged).length,
    epochsToQuarterError: known.length === 0 ? null : Math.min(...known),
    seconds: median(trials.map(({ seconds }) => seconds)),
    trials,
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)]!;
}

function spread(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0, values };
}
