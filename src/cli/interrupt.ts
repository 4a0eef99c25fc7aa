import { UserError } from "../core/errors.js";

/** The exit code of work that Ctrl-C stopped, so that `train && evaluate` does not go on. */
export const stoppedCode = 130;

/** Work that Ctrl-C stopped before it had a result. */
export class StoppedError extends UserError {}

export interface InterruptEvents {
  /** The first Ctrl-C. */
  readonly onStop?: () => void;
  /** The second, before the process ends. */
  readonly onQuit?: () => void;
}

/** Runs work that a first Ctrl-C asks to stop; a second one ends the process at once. */
export async function untilInterrupted<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { onStop, onQuit }: InterruptEvents = {},
): Promise<T> {
  const interrupt = new AbortController();
  const stop = (): void => {
    if (interrupt.signal.aborted) {
      onQuit?.();
      process.exit(stoppedCode);
    }
    onStop?.();
    interrupt.abort(
      new StoppedError("stopped: run the same command again to go on; finished results are kept"),
    );
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  try {
    return await work(interrupt.signal);
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}
