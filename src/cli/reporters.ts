import { publishedResult } from "../models/model_file.js";
import type { EpochResult, Progress } from "../train/callbacks.js";
import { openProgress } from "../train/progress.js";
import type { RunConfig } from "../train/run_config.js";
import type { RunReporter } from "./training_run.js";

/** One JSON object a line on standard output; remarks go to standard error. */
export function jsonReporter(): RunReporter {
  return {
    resume: ({ steps, epochs, finished }) =>
      printJson({ event: "resume", steps, epochs: epochs.length, finished }),
    progress: ({ epoch, step, steps, loss, accuracy, examplesPerSecond }) =>
      printJson({ event: "progress", epoch, step, steps, loss, accuracy, examplesPerSecond }),
    epoch: (result) => printJson({ event: "epoch", ...result }),
    note: (text) => process.stderr.write(`${text}\n`),
    stop: () => {},
  };
}

/** Of ranks other than the first: only what goes wrong is said, by those that it goes wrong with. */
export function silentReporter(): RunReporter {
  return { resume: () => {}, progress: () => {}, epoch: () => {}, note: () => {}, stop: () => {} };
}

export function printJson(record: object): void {
  process.stdout.write(`${JSON.stringify(record)}\n`);
}

/** A bar and curves on a terminal, plain lines elsewhere; `onFirst` may add a remark once the speed is known. */
export function terminalReporter(
  { epochs, model, data }: Pick<RunConfig, "epochs" | "model" | "data">,
  onFirst?: (progress: Progress) => string | undefined,
): RunReporter {
  const view = openProgress({ epochs, reference: publishedResult(model, data) });
  let current = 0;
  let isFirst = true;
  return {
    resume({ steps, epochs, finished }) {
      if (finished) return;
      view.resume(epochs);
      const place = steps === 0 ? "the beginning: it has no checkpoint" : `step ${steps}`;
      view.note(`Going on from ${place}${epochs.length > 0 ? `, after epoch ${epochs.length}` : ""}.`);
    },
    progress(progress) {
      const { epoch, step, steps } = progress;
      if (epoch !== current) view.start(epoch, steps);
      current = epoch;
      view.update(step, progress);
      // The first steps warm up: a fifth of an epoch says how fast it really goes.
      if (!isFirst || step < steps / 5) return;
      isFirst = false;
      const remark = onFirst?.(progress);
      if (remark) view.note(remark);
    },
    epoch: (result: EpochResult) => view.epoch(result),
    note: (text) => view.note(text),
    stop: () => view.stop(),
  };
}
