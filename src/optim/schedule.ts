/** What a schedule may know of a finished epoch. */
export interface EpochFigures {
  readonly testLoss: number;
  readonly testAccuracy: number;
}

/**
 * What the learning rate is multiplied by at a step, counted from 0 (what PyTorch's `LambdaLR` takes), and after those
 * epochs: a function of both and nothing else, so that a resumed run needs no state of it. Learning rates are numbers
 * that plans read, so no schedule compiles anything.
 */
export type Schedule = (step: number, epochs?: readonly EpochFigures[]) => number;

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

/**
 * From a 25th of the learning rate up to it over the first `pctStart` of the run, then down to next to nothing, both along
 * half cosines: PyTorch's `OneCycleLR` with `cycle_momentum=False` (Smith and Topin, 2018). Throws a RangeError unless
 * pctStart lies between 0 and 1.
 */
export function oneCycleLr(
  options: { pctStart?: number; divFactor?: number; finalDivFactor?: number } = {},
): ScheduleRecipe {
  const { pctStart = 0.3, divFactor = 25, finalDivFactor = 1e4 } = options;
  if (!(pctStart > 0 && pctStart < 1))
    throw new RangeError(`oneCycleLr: pctStart is ${pctStart}; give a number between 0 and 1`);
  return (totalSteps) => {
    const top = pctStart * totalSteps - 1;
    const last = totalSteps - 1;
    const between = (from: number, to: number, share: number): number =>
      to + ((from - to) * (1 + Math.cos(Math.PI * share))) / 2;
    return (step) =>
      // At the top itself the rise may be of no length.
      step < top
        ? between(1 / divFactor, 1, step / top)
        : between(1, 1 / divFactor / finalDivFactor, (step - top) / (last - top));
  };
}

/**
 * Multiplied by `factor` whenever `patience` epochs have passed without a test loss below the best one by the share
 * `threshold`: PyTorch's `ReduceLROnPlateau` on the test loss. Throws a RangeError unless factor lies between 0 and 1
 * and patience is a whole number of at least 0.
 */
export function reduceLrOnPlateau(
  options: { factor?: number; patience?: number; threshold?: number } = {},
): Schedule {
  const { factor = 0.1, patience = 10, threshold = 1e-4 } = options;
  if (!(factor > 0 && factor < 1))
    throw new RangeError(`reduceLrOnPlateau: factor is ${factor}; give a number between 0 and 1`);
  requireCount("reduceLrOnPlateau", "patience", patience, 0);
  return (_, epochs = []) => {
    let best = Number.POSITIVE_INFINITY;
    let bad = 0;
    let now = 1;
    for (const { testLoss } of epochs) {
      if (testLoss < best * (1 - threshold)) {
        best = testLoss;
        bad = 0;
      } else if (++bad > patience) {
        bad = 0;
        now *= factor;
      }
    }
    return now;
  };
}

function requireCount(schedule: string, name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least)
    throw new RangeError(`${schedule}: ${name} is ${value}; give a whole number of at least ${least}`);
}
