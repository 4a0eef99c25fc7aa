import type { Dataset } from "../data/dataset.js";
import type { Module } from "../nn/index.js";
import type { Agreeing } from "./agreement.js";
import type { CheckpointKeeper } from "./train_state.js";
import {
  type CheckpointTimes,
  type TrainOptions as LoopOptions,
  type TrainResult,
  trainingLoop,
} from "./training_loop.js";

export * from "./portable.js";
export type { StoredTensor } from "./safetensors.js";
export type { Checkpoint, CheckpointKeeper, TrainState } from "./train_state.js";

export interface CheckpointOptions extends CheckpointTimes {
  /** Where checkpoints are kept, such as a database of the page's. */
  readonly keeper: CheckpointKeeper;
}

export interface TrainOptions extends LoopOptions {
  /** None are kept if left out. */
  readonly checkpoint?: CheckpointOptions;
}

/**
 * The book's `train_ch6`: Xavier-uniform weights, softmax cross-entropy, shuffled batches, after each epoch the
 * test set. Throws a UserError where the batch is larger than the set or a checkpoint was written for another network or
 * other settings, a RangeError where the network and a set do not agree in an example's shape or the number of classes,
 * and a DivergedError on a loss that is no number.
 */
export function train<Net extends Module, TrainSet extends Dataset, TestSet extends Dataset>(
  net: Net,
  options: Omit<TrainOptions, "trainSet" | "testSet"> & {
    readonly trainSet: Agreeing<Net, TrainSet, "trainSet">;
    readonly testSet: Agreeing<Net, TestSet, "testSet">;
  },
): Promise<TrainResult>;
export function train(net: Module, options: TrainOptions): Promise<TrainResult> {
  return trainingLoop(net, options, options.checkpoint?.keeper);
}
