import {
  leastColumns,
  type TerminalCurvesOptions,
  type TerminalPoint,
  terminalCurves,
  terminalCurvesHeight,
} from "../views/terminal_curves.js";
import type { EpochResult, Progress } from "./callbacks.js";
import { LiveArea } from "./live_area.js";

/** How training goes: running means over the epoch so far. */
export type StepState = Pick<Progress, "loss" | "accuracy" | "examplesPerSecond">;

export type EpochSummary = Pick<
  EpochResult,
  "epoch" | "loss" | "trainAccuracy" | "testAccuracy" | "examplesPerSecond" | "seconds"
>;

/** Shows training to a person. `train` calls it; what it shows where is the implementation's matter. */
export interface ProgressView {
  /** Epochs of earlier sittings, before the first `start`. */
  resume(epochs: readonly EpochSummary[]): void;
  /** Begins an epoch, counted from 1, of `steps` steps. */
  start(epoch: number, steps: number): void;
  /** `step` steps of the epoch are done. */
  update(step: number, state: StepState): void;
  /** The epoch is over, and evaluated. */
  epoch(summary: EpochSummary): void;
  /** A sentence between the figures. */
  note(text: string): void;
  /** Ends the drawing and leaves the curves; safe to call twice. Notes may follow. */
  stop(): void;
}

export interface ProgressOptions {
  /** of the run, to print "epoch 3/10" */
  epochs?: number | undefined;
  /** A published result, drawn with the curves. */
  reference?: TerminalCurvesOptions["reference"];
  /** process.stdout unless told */
  stream?: NodeJS.WriteStream | undefined;
  /** process.env unless told */
  env?: Environment | undefined;
}

/** A bar above live curves on a terminal, plain lines where the output is piped or the terminal cannot redraw a line. */
export function openProgress(options: ProgressOptions = {}): ProgressView {
  const { epochs, reference, stream = process.stdout, env = process.env } = options;
  if (!canRedraw(stream, env)) return new LineProgress(stream, epochs);
  return new LiveProgress(stream, epochs, mayColour(stream, env), reference);
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether lines can be redrawn: on a terminal that is not dumb. */
export function canRedraw({ isTTY }: NodeJS.WriteStream, { TERM }: Environment = process.env): boolean {
  return isTTY === true && TERM !== "dumb";
}

/** Whether colours are welcome. As no-color.org has it: any value of NO_COLOR but the empty one turns them off. */
export function mayColour(stream: NodeJS.WriteStream, env: Environment = process.env): boolean {
  return canRedraw(stream, env) && (env.NO_COLOR ?? "") === "";
}

/** One line every tenth of an epoch, for files and pipes. */
class LineProgress implements ProgressView {
  private title = "";
  private steps = 0;
  private tenth = 0;
  private clock = new Clock(0);

  constructor(
    private readonly stream: NodeJS.WritableStream,
    private readonly epochs: number | undefined,
  ) {}

  resume(): void {}

  start(epoch: number, steps: number): void {
    this.title = epochTitle(epoch, this.epochs);
    this.steps = steps;
    this.tenth = 0;
    this.clock = new Clock(steps);
  }

  update(step: number, state: StepState): void {
    const left = this.clock.secondsLeft(step);
    const tenth = Math.floor((10 * step) / this.steps);
    if (tenth <= this.tenth) return;
    this.tenth = tenth;
    const width = String(this.steps).length;
    const place = `${this.title}  step ${String(step).padStart(width)}/${this.steps}`;
    const isKnown = step < this.steps && Number.isFinite(left);
    this.note(`${place}  ${stateText(state)}${isKnown ? `  ${duration(left)} left` : ""}`);
  }

  epoch(summary: EpochSummary): void {
    this.note(summaryText(summary, this.epochs));
  }

  note(text: string): void {
    this.stream.write(`${text}\n`);
  }

  stop(): void {}
}

/** One bar an epoch, replaced by the epoch's summary when it is over; below it the curves so far, where they have room. */
class LiveProgress implements ProgressView {
  private readonly area: LiveArea;
  private isDrawing = false;
  private bar: Bar | undefined;
  /** Finished epochs, and how each fifth of an epoch left it, as the book plots them. */
  private points: TerminalPoint[] = [];
  /** Where training stands. */
  private now: TerminalPoint[] = [];
  private readonly draw = (): void => {
    if (this.isDrawing)
      this.area.draw([this.bar?.text(this.columns, this.useColour) ?? "", ...this.curves()]);
  };

  constructor(
    private readonly stream: NodeJS.WriteStream,
    private readonly epochs: number | undefined,
    private readonly useColour: boolean,
    private readonly reference: ProgressOptions["reference"],
  ) {
    this.area = new LiveArea(stream);
  }

  resume(epochs: readonly EpochSummary[]): void {
    this.points = [...epochs];
  }

  start(epoch: number, steps: number): void {
    if (!this.isDrawing) this.stream.on("resize", this.draw);
    this.isDrawing = true;
    this.bar = new Bar(epoch, this.epochs, steps);
    this.draw();
  }

  update(step: number, state: StepState): void {
    const { bar } = this;
    if (bar === undefined) return;
    const { epoch, steps } = bar;
    const fifths = Math.floor((5 * step) / steps) - Math.floor((5 * bar.step) / steps);
    bar.update(step, state);
    this.now = [{ epoch: epoch - 1 + step / steps, loss: state.loss, trainAccuracy: state.accuracy }];
    if (fifths > 0) this.points.push(...this.now);
    this.draw();
  }

  epoch(summary: EpochSummary): void {
    this.bar = undefined;
    this.now = [];
    this.points = [...this.points.filter(({ epoch }) => epoch < summary.epoch), summary];
    this.note(summaryText(summary, this.epochs));
  }

  note(text: string): void {
    this.area.print(text);
    this.draw();
  }

  stop(): void {
    this.isDrawing = false;
    this.stream.off("resize", this.draw);
    const curves = this.curves();
    this.area.end(curves.length > 0 ? ["", ...curves] : []);
  }

  private get columns(): number {
    return this.stream.columns ?? 80;
  }

  /** None where the terminal is too small. */
  private curves(): string[] {
    const { columns, epochs, useColour, reference } = this;
    const rows = this.stream.rows ?? 24;
    if (columns < leastColumns || rows < terminalCurvesHeight + 4) return [];
    return terminalCurves([...this.points, ...this.now], { columns, epochs, useColour, reference });
  }
}

/** An epoch's bar. */
class Bar {
  private readonly title: string;
  private readonly clock: Clock;
  private secondsLeft = Number.NaN;
  private figures = "";
  step = 0;

  constructor(
    readonly epoch: number,
    epochs: number | undefined,
    readonly steps: number,
  ) {
    this.title = epochTitle(epoch, epochs);
    this.clock = new Clock(steps);
  }

  update(step: number, state: StepState): void {
    this.step = step;
    this.secondsLeft = this.clock.secondsLeft(step);
    this.figures = `  ${stateText(state)}`;
  }

  text(columns: number, useColour: boolean): string {
    // The figures take about 75 columns; a narrow terminal gets a short bar before a cut line.
    const size = Math.max(6, Math.min(30, columns - 76));
    const done = Math.round((size * this.step) / this.steps);
    const bar = "█".repeat(done) + "░".repeat(size - done);
    const painted = useColour ? `\u001b[36m${bar}\u001b[0m` : bar;
    return `${this.title} ${painted} ${this.step}/${this.steps}  ${duration(this.secondsLeft)} left${this.figures}`;
  }
}

/** Tells the time left of an epoch by its steps since the first it was told of. */
class Clock {
  private first: { readonly step: number; readonly at: number } | undefined;

  constructor(private readonly steps: number) {}

  /** NaN before there is a second step to go by. */
  secondsLeft(step: number): number {
    const at = performance.now() / 1000;
    this.first ??= { step, at };
    return ((at - this.first.at) / (step - this.first.step)) * (this.steps - step);
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
