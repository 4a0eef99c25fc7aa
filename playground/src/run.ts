import type { Point } from "./curves.js";
import type { CurvePoint, Report, RunDevice, RunEpoch, RunProgress } from "./messages.js";
import type { State } from "./state.js";

/** A run as the page keeps it: what it was begun with, how it stands, and its curves by epoch. */
export interface Run {
  /** Unique in the browser; a later run's is larger. */
  readonly number: number;
  readonly state: State;
  loss: Point[];
  trainAccuracy: Point[];
  testAccuracy: Point[];
  device?: RunDevice;
  /** Bytes of images that have arrived, and of how many if that is told. */
  received: { readonly bytes: number; readonly total?: number };
  trainImages?: number;
  progress?: RunProgress;
  lastEpoch?: RunEpoch;
  /** By parameter, when they were last looked at. */
  gradientNorms?: Readonly<Record<string, number>>;
  memoryBytes?: number;
  phase: "loading" | "running" | "paused" | "interrupted" | "finished" | "stopped" | "failed";
  /** Where it waits. */
  place?: { readonly epoch: number; readonly step: number };
  /** Steps of its newest checkpoint. */
  keptSteps?: number;
  /** Why it failed, or what it got over. */
  sentence?: string;
}

/** What a report on a run changes in it. */
export type RunReport = Extract<Report, { readonly run: number }>;

export function newRun(number: number, state: State): Run {
  return {
    ...{ number, state, loss: [], trainAccuracy: [], testAccuracy: [], received: { bytes: 0 } },
    phase: "loading",
  };
}

export function isGoing(run: Run | undefined): run is Run {
  return run !== undefined && ["loading", "running", "paused"].includes(run.phase);
}

/** Whether it ended before its time and has a checkpoint. */
export function canGoOn(run: Run | undefined): run is Run & { keptSteps: number } {
  return (
    run?.keptSteps !== undefined &&
    run.keptSteps > 0 &&
    ["interrupted", "stopped", "failed"].includes(run.phase)
  );
}

function addPoint(run: Run, { position, loss, accuracy }: CurvePoint): void {
  run.loss.push({ x: position, y: loss });
  run.trainAccuracy.push({ x: position, y: accuracy });
}

function addEpoch(run: Run, epoch: RunEpoch): void {
  run.lastEpoch = epoch;
  run.testAccuracy.push({ x: epoch.epoch, y: epoch.testAccuracy });
}

export function take(run: Run, report: RunReport): void {
  switch (report.type) {
    case "device": {
      const { type: _, run: __, ...device } = report;
      run.device = device;
      break;
    }
    case "data":
      run.received = {
        bytes: report.received,
        ...(report.total !== undefined && { total: report.total }),
      };
      break;
    case "begun":
      if (run.phase === "loading") run.phase = "running";
      run.trainImages = report.trainImages;
      Object.assign(run, { loss: [], trainAccuracy: [], testAccuracy: [] });
      for (const point of report.curve) addPoint(run, point);
      for (const epoch of report.epochs) addEpoch(run, epoch);
      break;
    case "curve":
      addPoint(run, report);
      break;
    case "progress":
      run.progress = report;
      if (report.memoryBytes !== undefined) run.memoryBytes = report.memoryBytes;
      break;
    case "epoch":
      addEpoch(run, report);
      break;
    case "kept":
      if (report.problem === undefined) run.keptSteps = report.steps;
      else run.sentence = report.problem;
      break;
    case "paused":
      run.place = report;
      run.phase = "paused";
      break;
    case "warning":
      run.sentence = report.sentence;
      break;
    case "ended":
      run.phase = report.stopped ? "stopped" : "finished";
      break;
    case "failed":
      run.phase = "failed";
      run.sentence = report.sentence;
  }
}
