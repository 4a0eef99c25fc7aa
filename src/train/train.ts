import type { Dataset } from "../data/dataset.js";
import type { Module } from "../nn/index.js";
import type { Agreeing } from "./agreement.js";
import { CheckpointStore } from "./checkpoint.js";
import {
  type CheckpointTimes,
  type TrainOptions as LoopOptions,
  type TrainResult,
  trainingLoop,
} from "./training_loop.js";

export interface CheckpointOptions extends CheckpointTimes {
  /** Where checkpoints lie; made if need be. One run at a time may use it. */
  readonly directory: string;
  /** How many of the newest are kept beside that of the epoch with the best test accuracy; 2 if left out. */
  readonly keep?: number;
}

export interface TrainOptions extends LoopOptions {
  /** None are written if left out. */
  readonly checkpoint?: CheckpointOptions;
}

/**
 * The book's `train_ch6`: Xavier-uniform weights, softmax cross-entropy, shuffled batches, after each epoch the
 * test set. Throws a UserError where the batch is larger than the set, a checkpoint cannot be written, was written
 * for another network or other settings, or another process writes there, a RangeError where the network and a set do
 * not agree in an example's shape or the number of classes, and a DivergedError on a loss that is no number.
 */
export async function train<Net extends Module, TrainSet extends Dataset, TestSet extends Dataset>(
  net: Net,
  options: Omit<TrainOptions, "trainSet" | "testSet"> & {
    readonly trainSet: Agreeing<Net, TrainSet, "trainSet">;
    readonly testSet: Agreeing<Net, TestSet, "testSet">;
  },
): Promise<TrainResult>;
export async function train(net: Module, options: TrainOptions): Promise<TrainResult> {
  const { checkpoint, distributed } = options;
  if (!checkpoint || (distributed && distributed.rank > 0)) return trainingLoop(net, options);
  const store = new CheckpointStore(checkpoint.directory, checkpoint.keep);
  await store.open();
  try {
    return await trainingLoop(net, options, store);
  } finally {
    await store.close();
  }
}
