import type { Point } from "./curves.js";
import type { Report, Request, RunEpoch, RunProgress } from "./messages.js";
import type { State } from "./state.js";

/** A run as the page keeps it: what it was begun with, and its curves by epoch. */
export interface Run {
  readonly number: number;
  readonly state: State;
  loss: Point[];
  trainAccuracy: Point[];
  readonly testAccuracy: Point[];
  device?: { readonly name: string; readonly description: string };
  /** Bytes of images that have arrived. */
  received: number;
  progress?: RunProgress;
  lastEpoch?: RunEpoch;
  phase: "loading" | "running" | "paused" | "finished" | "stopped" | "failed";
  /** Why it failed. */
  sentence?: string;
}

/** A longer curve is thinned; a screen has no more columns. */
const mostPoints = 1500;

function added(points: readonly Point[], point: Point): Point[] {
  const all = [...points, point];
  return all.length > mostPoints ? all.filter((_, k) => k % 2 === 1) : all;
}

export function isGoing(run: Run | undefined): run is Run {
  return run !== undefined && ["loading", "running", "paused"].includes(run.phase);
}

/** What a report changes in the run that it is of. */
export function take(run: Run, report: Report): void {
  switch (report.type) {
    case "device":
      run.device = report;
      break;
    case "data":
      run.received = report.received;
      break;
    case "begun":
      if (run.phase === "loading") run.phase = "running";
      break;
    case "progress":
      run.progress = report;
      run.loss = added(run.loss, { x: report.position, y: report.loss });
      run.trainAccuracy = added(run.trainAccuracy, { x: report.position, y: report.accuracy });
      break;
    case "epoch":
      run.lastEpoch = report;
      run.testAccuracy.push({ x: report.epoch, y: report.testAccuracy });
      break;
    case "ended":
      run.phase = report.stopped ? "stopped" : "finished";
      break;
    case "failed":
      run.phase = "failed";
      run.sentence = report.sentence;
  }
}

/** The page's side of the worker, which is started with the first run. */
export class Trainer {
  readonly runs: Run[] = [];
  private worker: Worker | undefined;
  private count = 0;

  constructor(private readonly onChange: () => void) {}

  get current(): Run | undefined {
    return this.runs.at(-1);
  }

  train(state: State): void {
    this.worker ??= this.open();
    const number = ++this.count;
    this.runs.push({
      ...{ number, state, loss: [], trainAccuracy: [], testAccuracy: [], received: 0 },
      phase: "loading",
    });
    const folder = new URL("fashion-mnist/", document.baseURI).href;
    this.send({ type: "train", run: number, state, folder });
    this.onChange();
  }

  pause(): void {
    this.setPhase("paused", { type: "pause" });
  }

  resume(): void {
    this.setPhase("running", { type: "resume" });
  }

  step(): void {
    this.setPhase("paused", { type: "step" });
  }

  stop(): void {
    this.send({ type: "stop" });
  }

  /** The learning rate from the next step on. */
  setRate(learningRate: number): void {
    this.send({ type: "rate", learningRate });
  }

  /** Forgets all runs but the last. */
  clear(): void {
    this.runs.splice(0, this.runs.length - 1);
    this.onChange();
  }

  private send(request: Request): void {
    this.worker?.postMessage(request);
  }

  private setPhase(phase: Run["phase"], request: Request): void {
    const { current } = this;
    if (!isGoing(current)) return;
    current.phase = phase;
    this.send(request);
    this.onChange();
  }

  private open(): Worker {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data: report }: MessageEvent<Report>) => {
      const run = this.runs.find(({ number }) => number === report.run);
      if (run) take(run, report);
      this.onChange();
    });
    // Its script could not be loaded, or something failed outside of a run: a later run gets a new worker.
    worker.addEventListener("error", ({ message }) => {
      this.worker = undefined;
      const { current } = this;
      if (isGoing(current))
        take(current, {
          type: "failed",
          run: current.number,
          sentence: message || "the worker could not be started; check the connection and reload the page",
        });
      this.onChange();
    });
    return worker;
  }
}
