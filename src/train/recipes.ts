import { UserError } from "../core/errors.js";
import type { Normalization } from "../data/index.js";
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
import type { TrainOptions } from "./train.js";

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
}

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
  },
  /** For a good AlexNet after one or two epochs: momentum, and a learning rate that warms up and ends at zero. */
  fast: {
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
  },
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

export type OptimizerName = keyof typeof optimizers;
export type ScheduleName = keyof typeof schedules;
export type InitializerName = keyof typeof initializers;
export const optimizerNames = Object.keys(optimizers) as OptimizerName[];
export const scheduleNames = Object.keys(schedules) as ScheduleName[];
export const initializerNames = Object.keys(initializers) as InitializerName[];

/**
 * Settings as options of `train()`; `normalize` belongs to the data set. Throws a UserError on a name that there is
 * none of, a RangeError on numbers that do not go together.
 */
export function recipeOptions(
  settings: RecipeSettings,
): Pick<TrainOptions, "batchSize" | "optimizer" | "schedule" | "clipGradNorm" | "initializer"> {
  return {
    batchSize: settings.batchSize,
    optimizer: find("optimizer", optimizers, settings.optimizer)(settings),
    schedule: find("schedule", schedules, settings.schedule)(settings),
    initializer: find("initializer", initializers, settings.initializer),
    ...(settings.clipGradNorm === false ? {} : { clipGradNorm: settings.clipGradNorm }),
  };
}

function find<T>(what: string, table: Readonly<Record<string, T>>, name: string): T {
  if (!Object.hasOwn(table, name)) {
    throw new UserError(
      `there is no ${what} named ${JSON.stringify(name)}; choose one of ${Object.keys(table).join(", ")}`,
    );
  }
  return table[name]!;
}
