/**
 * What the learning rate is multiplied by at a step, counted from 0 (what PyTorch's `LambdaLR` takes). Learning rates
 * are numbers that plans read, so no schedule compiles anything.
 */
export type Schedule = (step: number) => number;

/** Makes a schedule once the length of the run is known: what `train()` takes. */
export type ScheduleRecipe = (totalSteps: number) => Schedule;

/** A straight line from `startFactor` at step 0 to `endFactor` at step `totalIters`, which stays. PyTorch's `LinearLR`. */
export function linearLr(
  options: { startFactor?: number; endFactor?: number; totalIters?: number } = {},
): Schedule {
  const { startFactor = 1 / 3, endFactor = 1, totalIters = 5 } = options;
  requireCount("linearLr", "totalIters", totalIters, 0);
  return (step) =>
    step >= totalIters ? endFactor : startFactor + (endFactor - startFactor) * (step / totalIters);
}

/**
 * Half a cosine from 1 at step 0 down to `minFactor` at step `tMax`, and up again after it: PyTorch's
 * `CosineAnnealingLR` (Loshchilov and Hutter, 2017, without restarts). Throws a RangeError unless tMax is at least 1.
 */
export function cosineAnnealingLr({ tMax, minFactor = 0 }: { tMax: number; minFactor?: number }): Schedule {
  requireCount("cosineAnnealingLr", "tMax", tMax, 1);
  return (step) => minFactor + ((1 - minFactor) * (1 + Math.cos((Math.PI * step) / tMax))) / 2;
}

/** Multiplied by `gamma` every `stepSize` steps: PyTorch's `StepLR`. Throws a RangeError unless stepSize is at least 1. */
export function stepLr({ stepSize, gamma = 0.1 }: { stepSize: number; gamma?: number }): Schedule {
  requireCount("stepLr", "stepSize", stepSize, 1);
  return (step) => gamma ** Math.floor(step / stepSize);
}

/**
 * One schedule after another, each counting from its own start: schedule k + 1 begins at step `milestones[k]`.
 * PyTorch's `SequentialLR`. Throws a RangeError unless the milestones rise and are one fewer than the schedules.
 */
export function sequentialLr(schedules: readonly Schedule[], milestones: readonly number[]): Schedule {
  if (milestones.length !== schedules.length - 1) {
    throw new RangeError(
      `sequentialLr: ${schedules.length} schedules and ${milestones.length} milestones; give one milestone fewer than schedules`,
    );
  }
  if (milestones.some((milestone, k) => !(milestone > (milestones[k - 1] ?? 0))))
    throw new RangeError(
      `sequentialLr: milestones are ${milestones.join(", ")}; give rising numbers above 0`,
    );
  return (step) => {
    const current = milestones.findLastIndex((milestone) => step >= milestone);
    return schedules[current + 1]!(step - (milestones[current] ?? 0));
  };
}

/**
 * A linear warm-up to the full learning rate at the end of `warmupSteps` steps (Goyal et al., 2017), then half a
 * cosine towards zero over the rest of the run. The warm-up takes a third of the run at most, or a short run would
 * never reach its learning rate. Throws a RangeError unless warmupSteps is a whole number of at least 0.
 */
export function warmupCosine({ warmupSteps = 0 }: { warmupSteps?: number } = {}): ScheduleRecipe {
  requireCount("warmupCosine", "warmupSteps", warmupSteps, 0);
  return (totalSteps) => {
    const rising = Math.min(warmupSteps, Math.floor(totalSteps / 3));
    const falling = cosineAnnealingLr({ tMax: totalSteps - rising });
    if (rising === 0) return falling;
    return sequentialLr([linearLr({ startFactor: 1 / rising, totalIters: rising - 1 }), falling], [rising]);
  };
}

function requireCount(schedule: string, name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least)
    throw new RangeError(`${schedule}: ${name} is ${value}; give a whole number of at least ${least}`);
}
