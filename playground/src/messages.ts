import type { State } from "./state.js";

/** What the page asks of the worker that trains. */
export type Request =
  /** Begins a run; one that goes on is stopped before. `folder` is where the data set's files lie. */
  | { readonly type: "train"; readonly run: number; readonly state: State; readonly folder: string }
  | { readonly type: "pause" }
  /** One step, then pause again. */
  | { readonly type: "step" }
  | { readonly type: "resume" }
  | { readonly type: "stop" }
  /** From the next step on. */
  | { readonly type: "rate"; readonly learningRate: number };

/** How a run goes, at most ten times a second. */
export interface RunProgress {
  /** Epochs done, the one that goes on by its share of steps. */
  readonly position: number;
  readonly epoch: number;
  /** Of the epoch. */
  readonly step: number;
  readonly steps: number;
  /** Means over the batches since the last report. */
  readonly loss: number;
  readonly accuracy: number;
  /** Without pauses; 0 before it can be told. */
  readonly imagesPerSecond: number;
  /** To the run's end, its tests left out. */
  readonly secondsLeft: number;
}

/** A finished epoch: means over it, and the test set's. */
export interface RunEpoch {
  readonly epoch: number;
  readonly loss: number;
  readonly trainAccuracy: number;
  readonly testAccuracy: number;
}

/** What the worker tells; `run` is the number that the run was begun with. */
export type Report =
  | { readonly type: "device"; readonly run: number; readonly name: string; readonly description: string }
  | { readonly type: "data"; readonly run: number; readonly received: number }
  | {
      readonly type: "begun";
      readonly run: number;
      readonly trainImages: number;
      readonly testImages: number;
    }
  | ({ readonly type: "progress"; readonly run: number } & RunProgress)
  | ({ readonly type: "epoch"; readonly run: number } & RunEpoch)
  | { readonly type: "ended"; readonly run: number; readonly stopped: boolean }
  | { readonly type: "failed"; readonly run: number; readonly sentence: string };
