import { DeviceLostError, OutOfMemoryError } from "../core/errors.js";

/** How far a sitting has come, for those who have to leave it. */
export interface Standing {
  /** Steps of the whole run that were taken before the present one. */
  steps: number;
  /** The newest checkpoint, with its number of steps. */
  checkpoint: { readonly path: string; readonly steps: number } | undefined;
  readonly keepsCheckpoints: boolean;
}

/**
 * A device's failure in words that end a sitting: what happened, at which step, and from which checkpoint training goes
 * on. Weights since then are given up: those on a lost device are gone, and after a step that found no memory others may
 * have followed. Any other error is returned as it is.
 */
export function explained(error: unknown, { steps, checkpoint, keepsCheckpoints }: Standing): unknown {
  const next = checkpoint
    ? `The newest checkpoint is ${checkpoint.path}, of step ${checkpoint.steps}: train with resume to go on from it`
    : keepsCheckpoints
      ? "No checkpoint was written yet: train anew"
      : "This run keeps no checkpoints: train anew";
  const text = (what: string): string => `training ended at step ${steps + 1}: ${what}. ${next}`;
  if (error instanceof DeviceLostError) return new DeviceLostError(text(error.message), { cause: error });
  if (error instanceof OutOfMemoryError) return new OutOfMemoryError(text(error.message), { cause: error });
  return error;
}
