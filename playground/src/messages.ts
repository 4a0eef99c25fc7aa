import type { LookReport, LookRequest } from "./looks.js";
import type { State } from "./state.js";

/** Where images come from: a folder's address, or files that the visitor chose. */
export type ImagesFrom = { readonly folder: string } | { readonly files: readonly File[] };

/** A safetensors file of the visitor's. */
export interface WeightsFile {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface TrainRequest {
  readonly run: number;
  readonly state: State;
  readonly images: ImagesFrom;
  /** Whether to go on from the run's checkpoint. */
  readonly goesOn: boolean;
  /** What the weights are at first, in place of random ones. */
  readonly weights: WeightsFile | null;
}

export const fileFormats = ["safetensors", "onnx"] as const;
export type FileFormat = (typeof fileFormats)[number];

/** What the page asks of the worker that trains. */
export type Request =
  | LookRequest
  /** Begins a run, or goes on with one; another that is under way is stopped before. */
  | ({ readonly type: "train" } & TrainRequest)
  | { readonly type: "pause" }
  /** One step, then pause again. */
  | { readonly type: "step" }
  | { readonly type: "resume" }
  | { readonly type: "stop" }
  /** From the next step on. */
  | { readonly type: "rate"; readonly learningRate: number }
  /** Loads images and tells what they are. */
  | { readonly type: "images"; readonly images: ImagesFrom }
  /** Tries whether weights fit, and how good they are. */
  | {
      readonly type: "weights";
      readonly state: State;
      readonly images: ImagesFrom;
      readonly weights: WeightsFile;
    }
  /** The file of a run's network as it stands. */
  | { readonly type: "file"; readonly run: number; readonly state: State; readonly format: FileFormat };

/** A point of a run's curves: means over the batches since the one before. */
export interface CurvePoint {
  /** Epochs done, the one that goes on by its share of steps. */
  readonly position: number;
  readonly loss: number;
  readonly accuracy: number;
}

/** How a run goes, at most ten times a second. */
export interface RunProgress extends CurvePoint {
  readonly epoch: number;
  /** Of the epoch. */
  readonly step: number;
  readonly steps: number;
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
  /** Of the epoch's training time: what it took to choose and record batches. */
  readonly loaderShare: number;
}

export interface RunDevice {
  readonly name: string;
  readonly description: string;
  /** Why it is not the one that was asked for. */
  readonly standIn?: string;
  /** Whether threads may share memory here. */
  readonly isIsolated: boolean;
}

/** What the worker tells; `run` is the number that the run was begun with. */
export type Report =
  | LookReport
  | ({ readonly type: "device"; readonly run: number } & RunDevice)
  | { readonly type: "data"; readonly run: number; readonly received: number; readonly total?: number }
  | {
      readonly type: "begun";
      readonly run: number;
      readonly trainImages: number;
      readonly testImages: number;
      /** What a checkpoint had of the run. */
      readonly curve: readonly CurvePoint[];
      readonly epochs: readonly RunEpoch[];
    }
  | ({ readonly type: "progress"; readonly run: number; readonly memoryBytes?: number } & RunProgress)
  | ({ readonly type: "curve"; readonly run: number } & CurvePoint)
  | ({ readonly type: "epoch"; readonly run: number } & RunEpoch)
  /** A checkpoint, or why there is none. */
  | { readonly type: "kept"; readonly run: number; readonly steps: number; readonly problem?: string }
  /** The run waits, after so many steps of an epoch. */
  | { readonly type: "paused"; readonly run: number; readonly epoch: number; readonly step: number }
  /** Something that training gets over. */
  | { readonly type: "warning"; readonly run: number; readonly sentence: string }
  | { readonly type: "ended"; readonly run: number; readonly stopped: boolean }
  | { readonly type: "failed"; readonly run: number; readonly sentence: string }
  | { readonly type: "file"; readonly format: FileFormat; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: "images"; readonly trainImages: number; readonly testImages: number }
  | { readonly type: "receiving"; readonly received: number; readonly total?: number }
  | { readonly type: "weights"; readonly name: string; readonly testAccuracy: number }
  /** Why something that was asked for beside a run cannot be had. */
  | { readonly type: "refused"; readonly what: "images" | "weights" | "file"; readonly sentence: string };
