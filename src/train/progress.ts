import { SingleBar } from "cli-progress";
import type { EpochResult, Progress } from "./train.js";

/** How training goes: running means over the epoch so far. */
export type StepState = Pick<Progress, "loss" | "accuracy" | "examplesPerSecond">;

export type EpochSummary = Pick<
  EpochResult,
  "epoch" | "loss" | "trainAccuracy" | "testAccuracy" | "examplesPerSecond" | "seconds"
>;

/** Shows training to a person. `train` calls it; what it shows where is the implementation's matter. */
export interface ProgressView {
  /** Begins an epoch, counted from 1, of `steps` steps. */
  start(epoch: number, steps: number): void;
  /** `step` steps of the epoch are done. */
  update(step: number, state: StepState): void;
  /** The epoch is over, and evaluated. */
  epoch(summary: EpochSummary): void;
  /** A sentence between the figures. */
  note(text: string): void;
  /** Leaves the terminal as it was; safe to call twice. */
  stop(): void;
}

export interface ProgressOptions {
  /** of the run, to print "epoch 3/10" */
  epochs?: number | undefined;
  /** process.stdout unless told */
  stream?: NodeJS.WriteStream | undefined;
  /** process.env unless told */
  env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** A bar on a terminal, plain lines where the output is piped or the terminal cannot redraw a line. */
export function openProgress(options: ProgressOptions = {}): ProgressView {
  const { epochs, stream = process.stdout, env = process.env } = options;
  if (!stream.isTTY || env.TERM === "dumb") return new LineProgress(stream, epochs);
  // As no-color.org has it: any value but the empty one turns colours off.
  const useColour = (env.NO_COLOR ?? "") === "";
  return new BarProgress(stream, epochs, useColour);
}

/** One line every tenth of an epoch, for files and pipes. */
class LineProgress implements ProgressView {
  private title = "";
  private steps = 0;
  private tenth = 0;
  private startedAt = 0;

  constructor(
    private readonly stream: NodeJS.WritableStream,
    private readonly epochs: number | undefined,
  ) {}

  start(epoch: number, steps: number): void {
    this.title = epochTitle(epoch, this.epochs);
    this.steps = steps;
    this.tenth = 0;
    this.startedAt = performance.now();
  }

  update(step: number, state: StepState): void {
    const tenth = Math.floor((10 * step) / this.steps);
    if (tenth <= this.tenth) return;
    this.tenth = tenth;
    const left = ((performance.now() - this.startedAt) / 1000 / step) * (this.steps - step);
    const width = String(this.steps).length;
    const place = `${this.title}  step ${String(step).padStart(width)}/${this.steps}`;
    this.note(`${place}  ${stateText(state)}${step < this.steps ? `  ${duration(left)} left` : ""}`);
  }

  epoch(summary: EpochSummary): void {
    this.note(summaryText(summary, this.epochs));
  }

  note(text: string): void {
    this.stream.write(`${text}\n`);
  }

  stop(): void {}
}

/** One bar an epoch, replaced by the epoch's summary when it is over. */
class BarProgress implements ProgressView {
  private bar: SingleBar | undefined;
  private title = "";
  private steps = 0;
  private step = 0;
  private figures = "";

  constructor(
    private readonly stream: NodeJS.WriteStream,
    private readonly epochs: number | undefined,
    private readonly useColour: boolean,
  ) {}

  start(epoch: number, steps: number): void {
    this.stop();
    this.title = epochTitle(epoch, this.epochs);
    this.steps = steps;
    this.step = 0;
    this.figures = "";
    this.draw();
  }

  update(step: number, state: StepState): void {
    this.step = step;
    this.figures = `  ${stateText(state)}`;
    this.bar?.update(step, { figures: this.figures });
  }

  epoch(summary: EpochSummary): void {
    this.stop();
    this.stream.write(`${summaryText(summary, this.epochs)}\n`);
  }

  note(text: string): void {
    // The bar would be drawn over the sentence, so it makes room and comes back below.
    const wasDrawn = this.bar !== undefined;
    this.stop();
    this.stream.write(`${text}\n`);
    if (wasDrawn) this.draw();
  }

  stop(): void {
    this.bar?.stop();
    this.bar = undefined;
  }

  private draw(): void {
    const from = this.step;
    const bar = this.useColour ? "\u001b[36m{bar}\u001b[0m" : "{bar}";
    this.bar = new SingleBar({
      stream: this.stream,
      format: `{title} ${bar} {value}/{total}  {eta_formatted} left{figures}`,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      // The figures take about 75 columns; a narrow terminal gets a short bar before a cut line.
      barsize: Math.max(6, Math.min(30, (this.stream.columns ?? 80) - 76)),
      // The library says 0 before it has seen a step.
      formatTime: (seconds) => duration(this.step === from ? Number.NaN : Number(seconds)),
      hideCursor: true,
      clearOnComplete: true,
      // Ctrl-C belongs to the trainer, which finishes the step, saves, and calls `stop`.
      gracefulExit: false,
      fps: 8,
      etaBuffer: 50,
    });
    this.bar.start(this.steps, from, { title: this.title, figures: this.figures });
  }
}

function epochTitle(epoch: number, epochs: number | undefined): string {
  if (epochs === undefined) return `epoch ${epoch}`;
  return `epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}`;
}

function stateText({ loss, accuracy, examplesPerSecond }: StepState): string {
  return `loss ${loss.toFixed(3)}  acc ${accuracy.toFixed(3)}  ${rate(examplesPerSecond)}`;
}

function summaryText(summary: EpochSummary, epochs: number | undefined): string {
  const { epoch, loss, trainAccuracy, testAccuracy, examplesPerSecond, seconds } = summary;
  return (
    `${epochTitle(epoch, epochs)}  loss ${loss.toFixed(3)}  train acc ${trainAccuracy.toFixed(3)}  ` +
    `test acc ${testAccuracy.toFixed(3)}  ${rate(examplesPerSecond)}  ${duration(seconds)}`
  );
}

function rate(examplesPerSecond: number): string {
  const digits = examplesPerSecond < 10 ? 1 : 0;
  return `${examplesPerSecond.toLocaleString("en-US", { maximumFractionDigits: digits })} images/s`;
}

/** A time for people: "8 s", "2 min 05 s", "1 h 03 min", or "? s" before it can be told. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "? s";
  const whole = Math.round(seconds);
  if (whole < 10 && seconds > 0 && whole !== seconds) return `${seconds.toFixed(1)} s`;
  if (whole < 60) return `${whole} s`;
  const pad = (value: number) => String(Math.floor(value)).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad((whole % 3600) / 60)} min`;
}
