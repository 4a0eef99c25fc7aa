import { expect, test } from "vitest";
import { Gate } from "../../playground/src/gate.js";
import { ProgressMeter } from "../../playground/src/progress_meter.js";

test("a gate lets through one step at a time, and counts no pause as the run's time", async () => {
  const gate = new Gate();
  let passed = 0;
  const run = async (): Promise<void> => {
    for (let step = 0; step < 4; step++) {
      await gate.pass();
      passed++;
    }
  };
  const settle = () => new Promise((resolve) => setTimeout(resolve, 30));
  gate.pause();
  const end = run();
  await settle();
  expect(passed).toBe(0);
  gate.step();
  await settle();
  expect(passed).toBe(1);
  expect(gate.isPausing).toBe(true);
  gate.open();
  await end;
  expect(passed).toBe(4);
  expect(gate.pausedSeconds).toBeGreaterThan(0.05);
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
