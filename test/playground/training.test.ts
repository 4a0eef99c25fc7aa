import { expect, test } from "vitest";
import { Gate } from "../../playground/src/gate.js";
import { curveStride, Means, ProgressMeter } from "../../playground/src/progress_meter.js";

test("a gate holds a paused run back but for single steps, does errands there, and counts no pause as the run's time", async () => {
  const gate = new Gate();
  const seen: string[] = [];
  const run = async (): Promise<void> => {
    for (let step = 1; step <= 5; step++) {
      seen.push(`step ${step}`);
      if (gate.isCalling) await gate.pass();
    }
  };
  const settle = () => new Promise((resolve) => setTimeout(resolve, 30));
  gate.pause();
  const end = run();
  await settle();
  expect(seen).toEqual(["step 1"]);
  gate.step();
  await settle();
  expect(seen).toEqual(["step 1", "step 2"]);
  expect(gate.isPaused).toBe(true);
  expect(await gate.errand(async () => seen.push("errand"))).toBe(3);
  await expect(gate.errand(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  await settle();
  expect(seen).toEqual(["step 1", "step 2", "errand"]);
  gate.open();
  await end;
  expect(seen.slice(3)).toEqual(["step 3", "step 4", "step 5"]);
  expect(gate.pausedSeconds).toBeGreaterThan(0.08);
  // Beside a run that goes on.
  const errand = gate.errand(async () => 7);
  expect(gate.isCalling).toBe(true);
  await gate.pass();
  expect(await errand).toBe(7);
});

test("the meter's means are those of the batches since its last report", () => {
  const meter = new ProgressMeter({ images: 100, batchSize: 40, epochs: 2 });
  const at = (epoch: number, step: number, loss: number, accuracy: number) => ({
    ...{ epoch, step, steps: 3, loss, accuracy },
    examplesPerSecond: Number.NaN,
  });
  expect(meter.report(at(1, 1, 2, 0.25), 5)).toMatchObject({ loss: 2, accuracy: 0.25, imagesPerSecond: 0 });
  // 40 at 2, then 60 at 1.
  const second = meter.report(at(1, 3, 1.4, 0.55), 7);
  expect(second).toMatchObject({ position: 1, imagesPerSecond: 30, secondsLeft: 100 / 30 });
  expect(second.loss).toBeCloseTo(1, 12);
  expect(second.accuracy).toBeCloseTo(0.75, 12);
  expect(meter.report(at(2, 1, 0.5, 1), 8)).toMatchObject({ position: 4 / 3, loss: 0.5, accuracy: 1 });
});

test("means that go on from saved sums are those of a run that was never broken off", () => {
  const run = { images: 100, batchSize: 10 };
  const at = (step: number) => ({
    ...{ epoch: 1, step, steps: 10, loss: 2 / step, accuracy: step / 10 },
    examplesPerSecond: Number.NaN,
  });
  const whole = new Means(run);
  whole.next(at(3));
  const resumed = new Means(run, structuredClone(whole.sums));
  expect(resumed.next(at(5))).toEqual(whole.next(at(5)));
});

test("a curve has about five hundred points, and one an epoch at least", () => {
  expect(curveStride(47, 10)).toBe(1);
  expect(curveStride(469, 10)).toBe(9);
  expect(curveStride(47, 1000)).toBe(47);
});
