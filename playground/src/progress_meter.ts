import type { Progress } from "flybrick";
import type { RunProgress } from "./messages.js";

/** Of an epoch, up to the last means that were asked for. */
export interface Sums {
  readonly epoch: number;
  readonly examples: number;
  readonly losses: number;
  readonly hits: number;
}

/** Makes of the trainer's means over the epoch so far those over the batches since the last time. */
export class Means {
  constructor(
    private readonly run: { readonly images: number; readonly batchSize: number },
    public sums: Sums = { epoch: 0, examples: 0, losses: 0, hits: 0 },
  ) {}

  next({ epoch, step, loss, accuracy }: Progress): { readonly loss: number; readonly accuracy: number } {
    const before = epoch === this.sums.epoch ? this.sums : { examples: 0, losses: 0, hits: 0 };
    const examples = Math.min(this.run.images, step * this.run.batchSize);
    const fresh = examples - before.examples;
    this.sums = { epoch, examples, losses: loss * examples, hits: accuracy * examples };
    return {
      loss: (this.sums.losses - before.losses) / fresh,
      accuracy: (this.sums.hits - before.hits) / fresh,
    };
  }
}

/** A curve has a point after so many steps of an epoch, and at its end: at the same places whatever the device's speed. */
export function curveStride(steps: number, epochs: number): number {
  return Math.min(steps, Math.max(1, Math.round((steps * epochs) / 500)));
}

/** What the page shows of a run under way. */
export class ProgressMeter {
  private readonly means: Means;
  /** Where the clock began, after the first report, since the first steps prepare kernels. */
  private begun: { readonly images: number; readonly seconds: number } | undefined;

  constructor(
    private readonly run: { readonly images: number; readonly batchSize: number; readonly epochs: number },
  ) {
    this.means = new Means(run);
  }

  /** `seconds` is the run's own time, without pauses and tests. */
  report(progress: Progress, seconds: number): RunProgress {
    const { epoch, step, steps } = progress;
    const { images, batchSize, epochs } = this.run;
    const done = (epoch - 1) * images + Math.min(images, step * batchSize);
    this.begun ??= { images: done, seconds };
    const rate = done > this.begun.images ? (done - this.begun.images) / (seconds - this.begun.seconds) : 0;
    return {
      position: epoch - 1 + step / steps,
      ...{ epoch, step, steps },
      ...this.means.next(progress),
      imagesPerSecond: rate,
      secondsLeft: rate > 0 ? (epochs * images - done) / rate : Number.NaN,
    };
  }
}
