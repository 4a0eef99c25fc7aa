import type { Progress } from "flybrick";
import type { RunProgress } from "./messages.js";

/** Makes of the trainer's means over the epoch so far what the page shows. */
export class ProgressMeter {
  private epoch = 0;
  private examples = 0;
  private losses = 0;
  private hits = 0;
  /** Of the run: where the clock began, after the first report, since the first steps prepare kernels. */
  private begun: { readonly images: number; readonly seconds: number } | undefined;

  constructor(
    private readonly run: { readonly images: number; readonly batchSize: number; readonly epochs: number },
  ) {}

  /** `seconds` is the run's own time, without pauses and tests. */
  report({ epoch, step, steps, loss, accuracy }: Progress, seconds: number): RunProgress {
    const { images, batchSize, epochs } = this.run;
    if (epoch !== this.epoch) {
      this.epoch = epoch;
      this.examples = 0;
      this.losses = 0;
      this.hits = 0;
    }
    const examples = Math.min(images, step * batchSize);
    const fresh = examples - this.examples;
    const window = {
      loss: (loss * examples - this.losses) / fresh,
      accuracy: (accuracy * examples - this.hits) / fresh,
    };
    this.examples = examples;
    this.losses = loss * examples;
    this.hits = accuracy * examples;
    const done = (epoch - 1) * images + examples;
    this.begun ??= { images: done, seconds };
    const rate = done > this.begun.images ? (done - this.begun.images) / (seconds - this.begun.seconds) : 0;
    return {
      position: epoch - 1 + step / steps,
      epoch,
      step,
      steps,
      ...window,
      imagesPerSecond: rate,
      secondsLeft: rate > 0 ? (epochs * images - done) / rate : Number.NaN,
    };
  }
}
