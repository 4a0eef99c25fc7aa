import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type FitProgress,
  kNeighborsClassifier,
  layerFeatures,
  type Neighbors,
  pixelFeatures,
  takeRows,
} from "../classic/index.js";
import { makeDirectory } from "../core/atomic_write.js";
import {
  Dataset,
  type ImageSet,
  type LabelledImages,
  type Normalization,
  normalizationOf,
} from "../data/index.js";
import { findModel, type ModelName } from "../models/index.js";
import type { Sequential } from "../nn/index.js";
import { manualSeed } from "../ops/random.js";
import type { EpochResult } from "../train/callbacks.js";
import { evaluate } from "../train/evaluate.js";
import { firstKernels } from "../train/inspection.js";
import { recipeOptions } from "../train/recipes.js";
import { train } from "../train/train.js";
import { loadWeights, saveWeights } from "../train/weights_file.js";
import type { Kernels } from "../views/kernels.js";
import {
  type ComparisonPlan,
  type Learner,
  learnerNames,
  type Network,
  rowNames,
} from "./comparison_plan.js";
import { type FeatureSet, type Features, learnedFeatures } from "./features.js";
import {
  type Conditions,
  conditionsDigest,
  digestOf,
  fileName,
  type Kept,
  keptOrMade,
  keptUnder,
} from "./kept.js";
import { chosenNames } from "./names.js";

/** What all results of a comparison share. */
export interface ComparisonSetting {
  /** Digits of the images and labels. */
  readonly data: string;
  readonly trainImages: number;
  readonly testImages: number;
  readonly seed: number;
}

/** What something took. */
export interface Cost {
  /** Seconds to learn from all training images; features, and tests between epochs, apart. */
  readonly fitSeconds: number;
  /** Seconds for all test images, features apart. */
  readonly predictSeconds: number;
  /** Resident memory of the whole process at its highest meanwhile: with data, features, and what earlier results left. */
  readonly peakBytes: number;
}

/** A learner on a kind of features. */
export interface Cell extends Cost, Kept {
  readonly features: string;
  readonly learner: string;
  /** Numbers an image. */
  readonly columns: number;
  /** Seconds to describe all images, training and test. */
  readonly featureSeconds: number;
  /** Whether the learner came to its end, rather than to its last allowed iteration. */
  readonly converged: boolean;
  readonly accuracy: number;
}

/** A network, end to end. */
export interface NetworkResult extends Cost, Kept {
  readonly network: string;
  readonly epochs: readonly EpochResult[];
  readonly accuracy: number;
  readonly parameters: number;
  readonly multiplyAdds: number;
  readonly layers: readonly {
    readonly layer: string;
    readonly outputShape: readonly number[];
    readonly parameters: number;
    readonly multiplyAdds: number;
  }[];
}

/** Test images, and the training images nearest to them by several measures. */
export interface NeighborsResult extends Kept {
  readonly rows: readonly {
    /** Of the test image. */
    readonly number: number;
    readonly groups: readonly { readonly measure: string; readonly numbers: readonly number[] }[];
  }[];
}

export interface Comparison {
  readonly setting: ComparisonSetting;
  /** All learners of the plan, in its order, whichever of them have cells. */
  readonly learners: readonly string[];
  readonly cells: readonly Cell[];
  readonly networks: readonly NetworkResult[];
  /** By pixels and by AlexNet's features; null where the latter were not asked for. */
  readonly neighbors: NeighborsResult | null;
  /** AlexNet's first layer; null where AlexNet was not asked for, or its weights are not in the directory. */
  readonly kernels: Kernels | null;
}

export interface ComparisonOptions {
  /** Names of feature sets and networks; all if left out. */
  readonly rows?: readonly string[] | undefined;
  /** Names of learners; all if left out. */
  readonly learners?: readonly string[] | undefined;
  /** 0 if left out. */
  readonly seed?: number | undefined;
  readonly onResult?: (
    result: Cell | NetworkResult,
    place: { done: number; total: number; isKept: boolean },
  ) => void;
  readonly onProgress?: (what: string, progress: FitProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Networks, and learners on given features, all on the same images. Each result is kept as a file in `directory` and
 * not made again; AlexNet's weights and checkpoints lie there too. Results that were not asked for are taken where they
 * are kept. Throws a UserError on names that there are none of, and where a kept result had other conditions, and the
 * signal's reason where it stops.
 */
export async function compare(
  plan: ComparisonPlan,
  data: ImageSet,
  directory: string,
  options: ComparisonOptions = {},
): Promise<Comparison> {
  const { seed = 0, onResult } = options;
  const rows = new Set(chosenNames("row", rowNames(plan), options.rows));
  const columns = new Set(chosenNames("learner", learnerNames(plan), options.learners));
  const setting = {
    data: digestOf(data),
    trainImages: data.train.count,
    testImages: data.test.count,
    seed,
  };
  const run: Run = { ...options, plan, data, directory, setting };
  const isWanted = (set: FeatureSet, learner: Learner): boolean =>
    rows.has(set.name) && columns.has(learner.name);
  const total =
    plan.networks.filter(({ name }) => rows.has(name)).length +
    plan.featureSets.filter(({ name }) => rows.has(name)).length * columns.size;
  let done = 0;
  const keep = async <T extends Result>(
    name: string,
    conditions: Conditions,
    wanted: boolean,
    make: () => Promise<Omit<T, keyof Kept>>,
  ): Promise<T[]> => {
    const path = join(directory, `${fileName(name)}.json`);
    if (!wanted) return [await keptUnder<T>(path, conditions)].filter((kept) => kept !== undefined);
    const { result, isKept } = await keptOrMade(path, conditions, make);
    // What make() leaves out is what keeping adds.
    const whole = result as unknown as T;
    onResult?.(whole, { done: ++done, total, isKept });
    return [whole];
  };

  await makeDirectory(directory);
  const networks: NetworkResult[] = [];
  for (const network of plan.networks)
    networks.push(
      ...(await keep<NetworkResult>(network.name, conditionsOf(network, run), rows.has(network.name), () =>
        trainNetwork(network, run),
      )),
    );
  const cells: Cell[] = [];
  let neighbors: NeighborsResult | null = null;
  for (const set of plan.featureSets) {
    // Made once, and only where a learner is still to be fitted.
    let made: Promise<Timed<Features>> | undefined;
    const features = (): Promise<Timed<Features>> => (made ??= timed(() => makeFeatures(set, run)));
    const shared = featureConditions(set, run);
    for (const learner of plan.learners) {
      const { kind, options: given } = learner.make(seed);
      cells.push(
        ...(await keep<Cell>(
          `${set.name}, ${learner.name}`,
          { ...shared, kind, ...given },
          isWanted(set, learner),
          async () => fitLearner(set, learner, await features(), run),
        )),
      );
    }
    if (set.name !== learnedFeatures) continue;
    const path = join(directory, "neighbors.json");
    neighbors = rows.has(set.name)
      ? (await keptOrMade(path, shared, async () => findNeighbors((await features()).value, run))).result
      : ((await keptUnder<NeighborsResult>(path, shared)) ?? null);
  }
  const kernels = existsSync(`${learnedStem(run)}.safetensors`)
    ? await firstKernels(await trainedAlexnet(run), data.classNames)
    : null;
  return { setting, learners: learnerNames(plan), cells, networks, neighbors, kernels };
}

type Result = Cell | NetworkResult;

interface Run extends ComparisonOptions {
  readonly plan: ComparisonPlan;
  readonly data: ImageSet;
  readonly directory: string;
  readonly setting: ComparisonSetting;
}

function conditionsOf({ model, recipe, epochs }: Network, { data, setting }: Run): Conditions {
  return { ...setting, model, ...recipe, epochs: data.isSample ? epochs.sample : epochs.full };
}

/** Of features, and of the network that learned them. */
function featureConditions({ settings, isLearned }: FeatureSet, run: Run): Conditions {
  const { setting } = run;
  if (!isLearned) return { ...setting, ...settings };
  return { ...setting, ...settings, network: conditionsDigest(conditionsOf(featureNetwork(run), run)) };
}

async function trainNetwork(network: Network, run: Run): Promise<Omit<NetworkResult, keyof Kept>> {
  const { name, model, recipe } = network;
  const { data, setting, signal, onProgress } = run;
  const { epochs: count } = conditionsOf(network, run) as { epochs: number };
  const stem = stemOf(network, run);
  const net = emptyNetwork(model, setting.seed);
  const testSet = datasetOf(network, data.test, data);
  const { value, peakBytes } = await watched(() =>
    train(net, {
      ...recipeOptions(recipe),
      trainSet: datasetOf(network, data.train, data),
      testSet,
      epochs: count,
      seed: setting.seed,
      checkpoint: { directory: `${stem}-checkpoints`, keep: 1, resume: true },
      progressSeconds: 2,
      ...(signal ? { signal } : {}),
      onProgress: ({ epoch, step, steps }) =>
        onProgress?.(name, { what: "steps", done: (epoch - 1) * steps + step, total: count * steps }),
    }),
  );
  if (value.stopped) throw signal!.reason;
  const { accuracy, seconds } = await evaluate(net, testSet);
  await saveWeights(net, `${stem}.safetensors`);
  const rows = net.layers();
  return {
    network: name,
    epochs: value.epochs,
    accuracy,
    fitSeconds: value.epochs.reduce((sum, epoch) => sum + epoch.trainSeconds, 0),
    predictSeconds: seconds,
    peakBytes,
    parameters: net.parameterCount(),
    multiplyAdds: net.multiplyAdds(),
    layers: rows.map(({ layer, outputShape, parameters, multiplyAdds }) => ({
      layer,
      outputShape,
      parameters,
      multiplyAdds,
    })),
  };
}

/** AlexNet with the weights that a comparison trained; it is trained where they are not there. */
async function trainedAlexnet(run: Run): Promise<Sequential> {
  const network = featureNetwork(run);
  const path = `${learnedStem(run)}.safetensors`;
  if (!existsSync(path)) await trainNetwork(network, run);
  const net = emptyNetwork(network.model, run.setting.seed);
  await loadWeights(net, path);
  return net;
}

/** The network whose features are those that are learned. */
function featureNetwork({ plan }: Run): Network {
  return plan.networks.find(({ name }) => name === "AlexNet")!;
}

function learnedStem(run: Run): string {
  return stemOf(featureNetwork(run), run);
}

/** How the names of a network's files begin: others are trained under other conditions. */
function stemOf(network: Network, run: Run): string {
  const digest = conditionsDigest(conditionsOf(network, run));
  return join(run.directory, `${fileName(network.name)}-${digest}`);
}

function emptyNetwork(model: ModelName, seed: number): Sequential {
  manualSeed(seed);
  return findModel(model).build();
}

function datasetOf(network: Network, images: LabelledImages, { classNames }: ImageSet): Dataset {
  const normalization = normalizationFor(network);
  return new Dataset(images, classNames, { size: findModel(network.model).size, normalization });
}

function normalizationFor({ recipe }: Network): Normalization | null {
  return recipe.normalize ? normalizationOf("fashion-mnist") : null;
}

function makeFeatures(set: FeatureSet, run: Run): Promise<Features> {
  const { data, setting, signal, onProgress } = run;
  return set.make(
    {
      data,
      seed: setting.seed,
      alexnet: async () => {
        const normalization = normalizationFor(featureNetwork(run));
        return layerFeatures(await trainedAlexnet(run), -2, { normalization });
      },
    },
    { signal, onProgress: (progress) => onProgress?.(set.name, progress) },
  );
}

async function fitLearner(
  set: FeatureSet,
  learner: Learner,
  { value: { train, test }, seconds: featureSeconds }: Timed<Features>,
  { data, setting, signal, onProgress }: Run,
): Promise<Omit<Cell, keyof Kept>> {
  const work = {
    signal,
    onProgress: (progress: FitProgress) => onProgress?.(`${set.name}, ${learner.name}`, progress),
  };
  const classifier = learner.make(setting.seed);
  const { value, peakBytes } = await watched(async () => ({
    fit: await timed(() => classifier.fit(train, data.train.labels, work)),
    score: await timed(() => classifier.score(test, data.test.labels, work)),
  }));
  return {
    features: set.name,
    learner: learner.name,
    columns: train.columns,
    featureSeconds,
    converged: classifier.converged,
    accuracy: value.score.value,
    fitSeconds: value.fit.seconds,
    predictSeconds: value.score.seconds,
    peakBytes,
  };
}

/** Of the first test image of each class. */
async function findNeighbors(
  learned: Features,
  { data, signal }: Run,
): Promise<Omit<NeighborsResult, keyof Kept>> {
  const { test, train, classNames } = data;
  const queries = classNames.map((_, label) => test.labels.indexOf(label)).filter((number) => number >= 0);
  const groups = [
    { measure: "nearest by pixels", train: pixelFeatures(train), test: pixelFeatures(test) },
    { measure: "nearest by AlexNet's features", ...learned },
  ];
  const found: Neighbors[] = [];
  for (const group of groups) {
    const index = kNeighborsClassifier({ nNeighbors: 5 });
    await index.fit(group.train, train.labels, { signal });
    found.push(await index.kneighbors(takeRows(group.test, queries), { signal }));
  }
  return {
    rows: queries.map((number, i) => ({
      number,
      groups: groups.map(({ measure }, g) => ({
        measure,
        numbers: [...found[g]!.indices.subarray(5 * i, 5 * i + 5)],
      })),
    })),
  };
}

interface Timed<T> {
  readonly value: T;
  readonly seconds: number;
}

async function timed<T>(work: () => Promise<T>): Promise<Timed<T>> {
  const start = performance.now();
  return { value: await work(), seconds: (performance.now() - start) / 1000 };
}

/** Looks at the process's memory twenty times a second; what comes and goes between is not seen. */
async function watched<T>(work: () => Promise<T>): Promise<{ value: T; peakBytes: number }> {
  let peakBytes = process.memoryUsage.rss();
  const look = (): void => {
    peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
  };
  const timer = setInterval(look, 50);
  try {
    const value = await work();
    look();
    return { value, peakBytes };
  } finally {
    clearInterval(timer);
  }
}
