import type { Module } from "../nn/index.js";
import type { Tensor } from "../tensor/tensor.js";

/** How an epoch goes so far. */
export interface Progress {
  readonly epoch: number;
  /** Steps of this epoch that are done, of `steps`. */
  readonly step: number;
  readonly steps: number;
  /** Means since the epoch's start. */
  readonly loss: number;
  readonly accuracy: number;
  readonly examplesPerSecond: number;
}

/** A finished epoch. */
export interface EpochResult {
  readonly epoch: number;
  /** Mean training loss of the epoch, in nats, with dropout on, as the book counts it. */
  readonly loss: number;
  readonly trainAccuracy: number;
  readonly testLoss: number;
  readonly testAccuracy: number;
  /** Of the epoch's last step. */
  readonly learningRate: number;
  /** Training examples a second, data included (they are part of the step); evaluation and checkpoints left out. */
  readonly examplesPerSecond: number;
  /** Of host time spent on order and batch numbers. */
  readonly dataSeconds: number;
  /** Of the epoch's training, over all sittings. */
  readonly trainSeconds: number;
  /** Of training and evaluation. */
  readonly seconds: number;
}

/** The epoch with the best test accuracy, the first of several. */
export function bestEpoch(epochs: readonly EpochResult[]): EpochResult | undefined {
  return epochs.reduce<EpochResult | undefined>(
    (best, one) => (best && best.testAccuracy >= one.testAccuracy ? best : one),
    undefined,
  );
}

/** Epochs since the one with the best test accuracy. */
export function epochsSinceBest(epochs: readonly EpochResult[]): number {
  return epochs.length - (bestEpoch(epochs)?.epoch ?? 0);
}

/** A step between its backward pass and its update: gradients are recorded, weights are the old ones. */
export interface StepEvent {
  readonly epoch: number;
  /** Of the epoch, counted from 1. */
  readonly step: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly net: Module;
  /** The batch's mean loss, f32 []; reading it, or a parameter's `grad`, waits for the device and slows training. */
  readonly loss: Tensor;
}

/** A checkpoint that is on the disk. */
export interface CheckpointEvent {
  readonly path: string;
  readonly epoch: number;
  /** Steps of the whole run that it holds. */
  readonly steps: number;
  readonly seconds: number;
}

/** A checkpoint that training goes on from, or the beginning. */
export interface ResumeEvent {
  /** null where there was no checkpoint, so that all starts anew. */
  readonly path: string | null;
  /** Steps of the whole run that it holds. */
  readonly steps: number;
  /** Epochs finished before it. */
  readonly epochs: readonly EpochResult[];
  /** Whether nothing is left to do. */
  readonly finished: boolean;
}

/**
 * What `train()` calls, in the order of events; each call but a warning is awaited. To stop from a callback, abort the
 * controller whose signal `train()` was given.
 */
export interface TrainCallbacks {
  /** Once, before the first step, where `resume` was asked for. */
  readonly onResume?: (event: ResumeEvent) => void | Promise<void>;
  /** Twice where the first step found no memory and is taken again in micro-batches. */
  readonly onStep?: (event: StepEvent) => void | Promise<void>;
  /** Five times an epoch, and every `progressSeconds` and `progressSteps`. */
  readonly onProgress?: (progress: Progress) => void | Promise<void>;
  /** After each epoch, its test set evaluated, before its checkpoint. */
  readonly onEpoch?: (result: EpochResult) => void | Promise<void>;
  readonly onCheckpoint?: (event: CheckpointEvent) => void | Promise<void>;
  /** Something that training gets over, such as a damaged checkpoint. On the console if nobody listens. */
  readonly onWarning?: (message: string) => void;
}
