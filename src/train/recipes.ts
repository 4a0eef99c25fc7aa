import { UserError } from "../core/errors.js";
import {
  type Augmentation,
  compose,
  type Normalization,
  randomAffine,
  randomCrop,
  randomErasing,
  randomHorizontalFlip,
} from "../data/portable.js";
import { type Initializer, kaimingNormal, kaimingUniform, xavierUniform } from "../nn/index.js";
import {
  adam,
  adamw,
  type OptimizerRecipe,
  oneCycleLr,
  reduceLrOnPlateau,
  type ScheduleRecipe,
  sgd,
  stepLr,
  warmupCosine,
} from "../optim/index.js";
import type { TrainOptions } from "./training_loop.js";

/** How a network is trained, but for data, seed and length: plain values that a file can hold. */
export interface RecipeSettings {
  readonly batchSize: number;
  readonly optimizer: OptimizerName;
  readonly learningRate: number;
  /** Of sgd, as `nesterov`. */
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
  readonly schedule: ScheduleName;
  /** Of the cosine: steps to the full learning rate, at most a third of the run. */
  readonly warmupSteps: number;
  /** The largest L2 norm of all gradients together; false leaves them as they are. */
  readonly clipGradNorm: number | false;
  readonly initializer: InitializerName;
  /** Whether pixels are normalized; `true` by the data set's own mean and deviation. */
  readonly normalize: boolean | Normalization;
  /** How training images are changed, in order: names of {@link augmentationNames}, each with an amount if that is to differ, as in `crop:2`. */
  readonly augment: readonly string[];
  /** Alpha of mixup; 0 is none. */
  readonly mixup: number;
  readonly labelSmoothing: number;
  /** Of the weights' moving average; 0 is none. */
  readonly emaDecay: number;
}

/** For a good AlexNet after one or two epochs: momentum, and a learning rate that warms up and ends at zero. */
const fast = {
  batchSize: 128,
  optimizer: "sgd",
  learningRate: 0.015,
  momentum: 0.9,
  nesterov: true,
  weightDecay: 5e-4,
  schedule: "cosine",
  warmupSteps: 150,
  clipGradNorm: 5,
  initializer: "kaiming-normal",
  normalize: true,
  augment: [],
  mixup: 0,
  labelSmoothing: 0,
  emaDecay: 0,
} as const satisfies RecipeSettings;

/** The named ways to train. A recipe never changes the network. */
export const recipes = {
  /** The book's `train_ch6`. */
  notebook: {
    batchSize: 128,
    optimizer: "sgd",
    learningRate: 0.01,
    momentum: 0,
    nesterov: false,
    weightDecay: 0,
    schedule: "constant",
    warmupSteps: 0,
    clipGradNorm: false,
    initializer: "xavier-uniform",
    normalize: false,
    augment: [],
    mixup: 0,
    labelSmoothing: 0,
    emaDecay: 0,
  },
  fast,
  /** For the best AlexNet after eight epochs or more: images move and are mirrored, and weights are averaged. */
  best: { ...fast, warmupSteps: 300, augment: ["crop:1", "flip"], emaDecay: 0.998 },
} as const satisfies Record<string, RecipeSettings>;

export type RecipeName = keyof typeof recipes;
export const recipeNames = Object.keys(recipes) as RecipeName[];

const optimizers = {
  sgd: ({ learningRate, momentum, nesterov, weightDecay }) =>
    sgd({ learningRate, momentum, nesterov, weightDecay }),
  adam: ({ learningRate, weightDecay }) => adam({ learningRate, weightDecay }),
  adamw: ({ learningRate, weightDecay }) => adamw({ learningRate, weightDecay }),
} satisfies Record<string, (settings: RecipeSettings) => OptimizerRecipe>;

const schedules = {
  constant: () => () => () => 1,
  cosine: ({ warmupSteps }) => warmupCosine({ warmupSteps }),
  "one-cycle": () => oneCycleLr(),
  /** A tenth after each third of the run. */
  step: () => (totalSteps) => stepLr({ stepSize: Math.ceil(totalSteps / 3) }),
  /** A tenth after two epochs whose test loss was no better. */
  plateau: () => () => reduceLrOnPlateau({ patience: 2 }),
} satisfies Record<string, (settings: RecipeSettings) => ScheduleRecipe>;

const initializers = {
  "xavier-uniform": xavierUniform,
  "kaiming-uniform": kaimingUniform,
  "kaiming-normal": kaimingNormal,
} satisfies Record<string, Initializer>;

/** Each by an amount, of its own if none is given. */
const augmentations = {
  /** Pixels of the image's own size each way. */
  crop: (padding = 2) => randomCrop({ padding }),
  /** With this probability. */
  flip: (p = 0.5) => randomHorizontalFlip({ p }),
  /** Degrees either way. */
  rotate: (degrees = 10) => randomAffine({ degrees }),
  /** Share by which it grows or shrinks. */
  scale: (share = 0.1) => {
    if (!(share >= 0 && share < 1))
      throw new RangeError(`augmentation scale: its share is ${share}; give one of at least 0 and below 1`);
    return randomAffine({ scale: [1 - share, 1 + share] });
  },
  /** With this probability. */
  erase: (p = 0.25) => randomErasing({ p }),
} satisfies Record<string, (amount?: number) => Augmentation>;

export type OptimizerName = keyof typeof optimizers;
export type ScheduleName = keyof typeof schedules;
export type InitializerName = keyof typeof initializers;
export const optimizerNames = Object.keys(optimizers) as OptimizerName[];
export const scheduleNames = Object.keys(schedules) as ScheduleName[];
export const augmentationNames = Object.keys(augmentations) as (keyof typeof augmentations)[];
export const initializerNames = Object.keys(initializers) as InitializerName[];

/**
 * Settings as options of `train()`; `normalize` and `augment` belong to the data set. Throws a UserError on a name that there is
 * none of, a RangeError on numbers that do not go together.
 */
export function recipeOptions(
  settings: RecipeSettings,
): Pick<
  TrainOptions,
  | "batchSize"
  | "optimizer"
  | "schedule"
  | "clipGradNorm"
  | "initializer"
  | "mixup"
  | "labelSmoothing"
  | "emaDecay"
> {
  const { clipGradNorm, mixup, labelSmoothing, emaDecay } = settings;
  return {
    batchSize: settings.batchSize,
    optimizer: find("optimizer", optimizers, settings.optimizer)(settings),
    schedule: find("schedule", schedules, settings.schedule)(settings),
    initializer: find("initializer", initializers, settings.initializer),
    labelSmoothing,
    ...(clipGradNorm === false ? {} : { clipGradNorm }),
    ...(mixup === 0 ? {} : { mixup }),
    ...(emaDecay === 0 ? {} : { emaDecay }),
  };
}

/**
 * The change of images that words such as `crop:2` and `flip` ask for, one after the other; undefined for none. Throws
 * a UserError on a name that there is none of, or an amount that is no number, a RangeError on one out of range.
 */
export function augmentationOf(words: readonly string[]): Augmentation | undefined {
  const changes = words.map((word) => {
    const [name, amount, ...more] = word.split(":") as [string, ...string[]];
    const make = find("augmentation", augmentations, name);
    if (amount === undefined) return make();
    if (amount.trim() === "" || !Number.isFinite(Number(amount)) || more.length > 0)
      throw new UserError(
        `augmentation ${JSON.stringify(word)}: give a number after the colon, as in ${name}:1`,
      );
    return make(Number(amount));
  });
  return changes.length === 0 ? undefined : compose(...changes);
}

function find<T>(what: string, table: Readonly<Record<string, T>>, name: string): T {
  if (!Object.hasOwn(table, name)) {
    throw new UserError(
      `there is no ${what} named ${JSON.stringify(name)}; choose one of ${Object.keys(table).join(", ")}`,
    );
  }
  return table[name]!;
}
