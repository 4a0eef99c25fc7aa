import { DeviceLostError } from "../../core/errors.js";

/** Runs that the GPU may hold at once: one computes, one waits. */
const mostInFlight = 2;

/**
 * Work on a GPU queue, first in, first out. Everything is handed over at once as long as at most two runs are under
 * way; beyond that it waits here, in order, so that a loop that never awaits does not pile up work in the driver. It
 * also waits while the GPU has yet to tell whether there was memory for a buffer.
 */
export class WorkQueue {
  private readonly waiting: { work: () => void; isRun: boolean }[] = [];
  private inFlight = 0;
  private holds = 0;
  private failure: Error | null = null;

  constructor(private readonly gpu: GPUDevice) {
    gpu.addEventListener("uncapturederror", ({ error }) => {
      const isMemory = error.constructor.name === "GPUOutOfMemoryError";
      this.fail(
        isMemory
          ? new DeviceLostError(
              `the GPU has no memory left (${error.message}); take a smaller batch, open the device again and go on from the last checkpoint`,
            )
          : new Error(`the GPU refused work: ${error.message}`),
      );
    });
    void gpu.lost.then(({ reason, message }) => {
      this.fail(
        new DeviceLostError(
          `the GPU was lost (${message || reason}); what lay on it is gone. Open the device again and go on from the last checkpoint`,
        ),
      );
    });
  }

  /** Throws the error that made the device useless, if there was one. */
  check(): void {
    if (this.failure) throw this.failure;
  }

  /** Whether `write` must keep its bytes. */
  get isWaiting(): boolean {
    return this.waiting.length > 0 || this.holds > 0;
  }

  /** Lets nothing start that is queued from now on until `settled` is, which must not reject. */
  hold(settled: Promise<void>): void {
    this.holds++;
    void settled.then(() => {
      this.holds--;
      this.drain();
    });
  }

  /** Takes effect after all that was queued before. */
  enqueue(work: () => void): void {
    if (this.isWaiting) this.waiting.push({ work, isRun: false });
    else work();
  }

  /** Work that submits; the promise is kept once the GPU has done it. What `submit` throws rejects it. */
  run(submit: () => void): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      const work = (): void => {
        try {
          this.check();
          submit();
        } catch (error) {
          reject(error);
          return;
        }
        this.inFlight++;
        this.gpu.queue.onSubmittedWorkDone().then(
          () => this.settle(resolve, reject),
          () => this.settle(resolve, reject),
        );
      };
      if (this.isWaiting || this.inFlight >= mostInFlight) this.waiting.push({ work, isRun: true });
      else work();
    });
    // A loop that awaits it late, or never, must not end the process.
    done.catch(() => {});
    return done;
  }

  private settle(resolve: () => void, reject: (error: Error) => void): void {
    this.inFlight--;
    if (this.failure) reject(this.failure);
    else resolve();
    this.drain();
  }

  private drain(): void {
    while (this.waiting.length > 0 && this.holds === 0) {
      if (this.waiting[0]!.isRun && this.inFlight >= mostInFlight) return;
      this.waiting.shift()!.work();
    }
  }

  private fail(error: Error): void {
    this.failure ??= error;
  }
}
