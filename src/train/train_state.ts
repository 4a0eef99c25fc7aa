import { hostArray } from "../core/dtype.js";
import { UserError } from "../core/errors.js";
import type { RandomState } from "../ops/random.js";
import type { Optimizer, Schedule } from "../optim/index.js";
import { evaluate as compute, type Tensor, tensor } from "../tensor/tensor.js";
import type { EpochResult } from "./callbacks.js";
import type { StoredTensor } from "./safetensors.js";

/** What a run must have been started with for its checkpoint to fit; null is an option that is off. */
export interface RunSettings {
  readonly batchSize: number;
  /** Of the examples that go through the network at once; null for whole batches. */
  readonly microBatchSize: number | null;
  readonly epochs: number;
  readonly seed: number;
  /** In the training set. */
  readonly examples: number;
  /** The optimizer's own, before any schedule. */
  readonly learningRate: number;
  /** Its name and hyperparameters. */
  readonly optimizer: string;
  /** Of the schedule's values, since it is a function. */
  readonly scheduleDigest: string;
  readonly labelSmoothing: number;
  readonly mixup: number | null;
  readonly emaDecay: number | null;
  readonly clipGradNorm: number | null;
  readonly earlyStopping: number | null;
}

/** Checkpoints of earlier versions name only some of the settings. */
export type SavedSettings = Partial<RunSettings>;

/** Where training stands, tensors left out. Order of the data and schedules are functions of it. */
export interface TrainState {
  readonly settings: SavedSettings;
  /** Optimizer steps taken. */
  readonly steps: number;
  readonly epochs: readonly EpochResult[];
  readonly finished: boolean;
  readonly random: RandomState;
  /** In the running metrics, and seconds of the epoch so far. */
  readonly examples: number;
  readonly trainSeconds: number;
  readonly dataSeconds: number;
}

export interface Checkpoint {
  readonly state: TrainState;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** Where the training loop leaves its checkpoints. */
export interface CheckpointKeeper {
  /**
   * Writes one and tells where it is, or undefined where it leaves it be and the one before stays the newest; `best` is
   * the number of steps of one that must stay.
   */
  write(state: TrainState, tensors: ReadonlyMap<string, Tensor>, best?: number): Promise<string | undefined>;
  /** The newest sound one, undefined if there is none of any kind; damaged ones are passed over with a warning. */
  newest(warn: (message: string) => void): Promise<(Checkpoint & { readonly path: string }) | undefined>;
  /** A short name for a schedule, another for every other one: it is a function and cannot be kept itself. */
  scheduleDigest(schedule: Schedule, epochs: number, stepsPerEpoch: number): string;
}

/** Throws a UserError that names the first setting in which a run differs from the checkpoint it goes on from. */
export function requireSettings(path: string, saved: SavedSettings, now: RunSettings): void {
  for (const key of Object.keys(now) as (keyof RunSettings)[]) {
    if (saved[key] !== undefined && saved[key] !== now[key])
      throw new UserError(
        `${path} was written with ${key} ${saved[key] ?? "off"}, and now it is ${now[key] ?? "off"}: go on with the same, or train anew elsewhere.`,
      );
  }
}

/** An optimizer for {@link RunSettings}, such as `sgd {"momentum":0.9}`. */
export function describeOptimizer({ name, hyperparameters }: Optimizer): string {
  return `${name} ${JSON.stringify(hyperparameters)}`;
}

/** Puts a checkpoint's values into variables of the same names. Throws a UserError that names what does not fit. */
export async function restoreTensors(
  path: string,
  saved: ReadonlyMap<string, StoredTensor>,
  variables: ReadonlyMap<string, Tensor>,
): Promise<void> {
  const fail = (what: string): never => {
    throw new UserError(`${path} was written for another network or optimizer: ${what}.`);
  };
  for (const [name, { shape }] of variables) {
    const stored = saved.get(name) ?? fail(`it has no ${name}`);
    if (stored.dtype !== "F32" || `${stored.shape}` !== `${shape}`)
      fail(`its ${name} is ${stored.dtype} [${stored.shape}], not F32 [${shape}]`);
  }
  for (const name of saved.keys()) if (!variables.has(name)) fail(`it has a ${name} too many`);
  for (const [name, one] of variables) {
    const { data } = saved.get(name)!;
    one.assign(tensor(hostArray("f32", data), one.shape));
  }
  await compute(...variables.values());
}
