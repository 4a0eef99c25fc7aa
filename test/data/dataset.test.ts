import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Dataset } from "../../src/data/dataset.js";
import { loadImageSet } from "../../src/data/fashion_mnist.js";
import { normalizationOf } from "../../src/data/image_set.js";
import { loadImageData } from "../../src/data/index.js";
import type { Normalization } from "../../src/data/normalization.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { relativeError } from "../support/compare.js";
import { testDevices } from "../support/test_devices.js";
import { tolerances } from "../support/tolerances.js";

const fixture: { normalization: Normalization; pixels: number[] } = JSON.parse(
  readFileSync(new URL("../fixtures/recipes.json", import.meta.url), "utf8"),
);

/** One image of 16 x 16 that holds every byte. */
const everyByte = {
  images: Uint8Array.from({ length: 256 }, (_, value) => value),
  labels: Uint8Array.of(0),
  count: 1,
  height: 16,
  width: 16,
  channels: 1 as const,
};
const first = Int32Array.of(0);
const devices = await testDevices();

for (const [name, device] of devices) {
  describe(`pixels on ${name}`, () => {
    test("are normalized as torchvision's, resized or not", async () => {
      useDevice(device);
      const set = new Dataset(everyByte, [], { normalization: fixture.normalization });
      expect(relativeError(await set.batch(first).x.data(), fixture.pixels)).toBeLessThan(
        tolerances.pointwise,
      );
      const { mean, std } = fixture.normalization;
      const plain = await new Dataset(everyByte, [], { size: 40 }).batch(first).x.data();
      const resized = await new Dataset(everyByte, [], { size: 40, normalization: fixture.normalization })
        .batch(first)
        .x.data();
      const expected = Array.from(plain, (value) => (value - mean) / std);
      expect(relativeError(resized, expected)).toBeLessThan(tolerances.pointwise);
    });

    test("cost no step more when they are normalized", () => {
      const steps = (normalization: Normalization | null): number => {
        let count = 0;
        const prepare: typeof device.prepare = (plan) => {
          count += plan.steps.length;
          return device.prepare(plan);
        };
        useDevice({ ...device, prepare });
        void new Dataset(everyByte, [], { size: 40, normalization }).batch(first).x.data();
        return count;
      };
      expect(steps(null)).toBeGreaterThan(0);
      expect(steps(fixture.normalization)).toBe(steps(null));
    });
  });
}

test("a data set's own figures are those of its training images", async () => {
  const { train } = await loadImageSet({ name: "fashion-mnist", sample: true });
  const { mean, std } = normalizationOf("fashion-mnist");
  const pixels = train.images.length;
  const average = train.images.reduce((sum, value) => sum + value / 255, 0) / pixels;
  const square = train.images.reduce((sum, value) => sum + (value / 255) ** 2, 0) / pixels;
  // The sample is a tenth of the set.
  expect(average).toBeCloseTo(mean, 2);
  expect(Math.sqrt(square - average ** 2)).toBeCloseTo(std, 2);
  expect(normalizationOf("mnist")).toEqual({ mean: 0.1307, std: 0.3081 });
});

test("both parts of a data set are normalized: by its own figures, by those given, or not", async () => {
  useDevice(devices[0]![1]);
  const black = async (normalize?: boolean | Normalization): Promise<number[]> => {
    const options = { sample: true, ...(normalize === undefined ? {} : { normalize }) };
    const { trainSet, testSet } = await loadImageData("fashion-mnist", options);
    const values = await Promise.all([trainSet, testSet].map((set) => set.batch(first).x.data()));
    return values.map((one) => Math.min(...one));
  };
  const { mean, std } = normalizationOf("fashion-mnist");
  expect(await black()).toEqual([0, 0]);
  expect(await black(false)).toEqual([0, 0]);
  expect(relativeError(await black(true), [-mean / std, -mean / std])).toBeLessThan(1e-6);
  expect(await black({ mean: 1, std: 0.5 })).toEqual([-2, -2]);
});

test("a normalization that makes no sense is refused in words", () => {
  const set = (mean: number, std: number) => () =>
    new Dataset(everyByte, [], { normalization: { mean, std } });
  expect(set(0, 0)).toThrow("normalization: std is 0; give a finite number above 0");
  expect(set(Number.NaN, 1)).toThrow("normalization: mean is NaN; give a finite number");
});

test("a limit keeps the first images of each set", async () => {
  const { trainSet, testSet } = await loadImageData("fashion-mnist", { sample: true, limit: 7 });
  expect([trainSet.count, testSet.count]).toEqual([7, 7]);
  expect([...(await trainSet.batch(Int32Array.of(0, 6)).y.data())]).toEqual([9, 7]);
  const whole = await loadImageData("fashion-mnist", { sample: true, limit: 5000 });
  expect([whole.trainSet.count, whole.testSet.count]).toEqual([5000, 1000]);
  await expect(loadImageData("fashion-mnist", { sample: true, limit: 0 })).rejects.toThrow("limit is 0");
});
