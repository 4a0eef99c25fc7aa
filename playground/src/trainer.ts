import type { ImagesFrom, Report, Request, TrainRequest, WeightsFile } from "./messages.js";
import { canGoOn, isGoing, newRun, type Run, take } from "./run.js";
import { holdRun } from "./run_locks.js";
import { deleteRuns, readRuns, writeRun } from "./run_records.js";
import type { State } from "./state.js";

/** What the worker tells that is of no run. */
export type Answer = Exclude<Report, { readonly run: number }>;

/** The page's side of the worker, which is started with the first request. */
export class Trainer {
  readonly runs: Run[] = [];
  private worker: Worker | undefined;
  private release = (): void => {};
  /** Records are written one after the other; the last one that waits is enough. */
  private writing: Promise<void> | undefined;
  private isStale = false;
  private later: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly onChange: () => void,
    private readonly onAnswer: (answer: Answer) => void,
  ) {}

  get current(): Run | undefined {
    return this.runs.at(-1);
  }

  /** Brings back the runs of earlier visits. A browser may forbid to keep anything. */
  async restore(): Promise<void> {
    const runs = await readRuns().catch(() => []);
    this.runs.unshift(...runs);
    if (canGoOn(runs.at(-1)) && this.current === runs.at(-1)) this.hold(this.current!);
    this.onChange();
  }

  train(state: State, images: ImagesFrom, weights: WeightsFile | null): void {
    const number = Math.max(Date.now(), (this.current?.number ?? 0) + 1);
    const run = newRun(number, state);
    this.runs.push(run);
    this.hold(run);
    this.begin({ run: number, state, images, goesOn: false, weights });
  }

  /** Goes on with the current run from its checkpoint. */
  goOn(images: ImagesFrom): void {
    const { current: run } = this;
    if (!canGoOn(run)) return;
    run.phase = "loading";
    delete run.sentence;
    this.begin({ run: run.number, state: run.state, images, goesOn: true, weights: null });
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
    if (isGoing(this.current)) this.send({ type: "rate", learningRate });
  }

  /** Forgets all runs but the last. */
  clear(): void {
    const gone = this.runs.splice(0, this.runs.length - 1);
    void deleteRuns(gone.map(({ number }) => number)).catch(() => {});
    this.onChange();
  }

  /** Asks the worker for something that is answered by `onAnswer`. */
  send(request: Request): void {
    this.worker ??= this.open();
    this.worker.postMessage(request);
  }

  private begin(request: TrainRequest): void {
    this.send({ type: "train", ...request });
    this.onChange();
  }

  /** No other tab takes the run. */
  private hold(run: Run): void {
    this.release();
    this.release = holdRun(run.number);
  }

  private setPhase(phase: Run["phase"], request: Request): void {
    const { current } = this;
    if (!isGoing(current)) return;
    current.phase = phase;
    this.send(request);
    this.onChange();
  }

  private receive(report: Report): void {
    if (!("run" in report)) {
      this.onAnswer(report);
      return;
    }
    const run = this.runs.find(({ number }) => number === report.run);
    if (!run) return;
    take(run, report);
    if (report.type === "curve") this.later ??= setTimeout(() => this.record(), 500);
    else if (report.type !== "progress" && report.type !== "data") this.record();
    this.onChange();
  }

  private record(): void {
    clearTimeout(this.later);
    this.later = undefined;
    this.isStale = true;
    this.writing ??= this.writeRecords().finally(() => {
      this.writing = undefined;
    });
  }

  private async writeRecords(): Promise<void> {
    while (this.isStale && this.current) {
      this.isStale = false;
      await writeRun(this.current).catch(() => {});
    }
  }

  private open(): Worker {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data }: MessageEvent<Report>) => this.receive(data));
    // Its script could not be loaded, or something failed outside of a run: a later run gets a new worker.
    worker.addEventListener("error", ({ message }) => {
      this.worker = undefined;
      const sentence = message || "the worker could not be started; check the connection and reload the page";
      if (isGoing(this.current)) take(this.current, { type: "failed", run: this.current.number, sentence });
      this.onChange();
    });
    return worker;
  }
}
