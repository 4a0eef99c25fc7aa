import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  extraTreesClassifier,
  type Forest,
  loadModel,
  matrix,
  pixelFeatures,
  randomForestClassifier,
  saveModel,
} from "../../src/classic/index.js";
import { loadImageSet } from "../../src/data/index.js";
import { openCpu } from "../../src/devices/cpu/cpu.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { blobs } from "./data.js";

const work = await mkdtemp(join(tmpdir(), "flybrick-forest-"));
afterAll(() => rm(work, { recursive: true, force: true }));
const { x, y, test: unseen, truth } = blobs();
const same = (a: Float32Array, b: Float32Array): boolean =>
  Buffer.from(a.buffer).equals(Buffer.from(b.buffer));

for (const make of [randomForestClassifier, extraTreesClassifier])
  describe(make.name, () => {
    test("a seed gives one forest whatever the threads, another seed another; saved and loaded it says the same", async () => {
      const found: Float32Array[] = [];
      let model: Forest | undefined;
      for (const threads of [1, 2, 3]) {
        useDevice(await openCpu({ threads }));
        model = await make({ nEstimators: 20, randomState: 5 }).fit(x, y);
        found.push(await model.predictProba(unseen));
      }
      expect(found.every((one) => same(one, found[0]!))).toBe(true);
      const other = await make({ nEstimators: 20, randomState: 6 }).fit(x, y);
      expect(same(await other.predictProba(unseen), found[0]!)).toBe(false);
      const path = join(work, "forest.safetensors");
      await saveModel(model!, path);
      expect(same(await ((await loadModel(path)) as Forest).predictProba(unseen), found[0]!)).toBe(true);
      expect(await model!.score(unseen, truth)).toBeGreaterThan(0.7);
    });

    test("trees without bootstrap know every training example; bounds keep them small", async () => {
      useDevice(await openCpu({ threads: 2 }));
      expect(await (await make({ nEstimators: 3, bootstrap: false }).fit(x, y)).score(x, y)).toBe(1);
      const stump = await make({ nEstimators: 1, maxDepth: 1, bootstrap: false }).fit(x, y);
      const distinct = new Set(Array.from(await stump.predictProba(x), (p, i) => (i % 4 === 0 ? p : 0)));
      expect(distinct.size).toBeLessThanOrEqual(3);
    });
  });

test("a single feature is cut halfway between its classes", async () => {
  const model = await randomForestClassifier({ nEstimators: 1, bootstrap: false }).fit(
    matrix([1, 2, 6, 7], 4, 1),
    [0, 0, 1, 1],
  );
  expect([...(await model.predict(matrix([3.99, 4, 4.01], 3, 1)))]).toEqual([0, 0, 1]);
});

test("images are told apart, a signal stops it, settings out of range are refused", async () => {
  const set = await loadImageSet({ name: "fashion-mnist", sample: true });
  const cut = { ...set.train, images: set.train.images.subarray(0, 1500 * 784), count: 1500 };
  const labels = set.train.labels.subarray(0, 1500);
  const model = await randomForestClassifier({ nEstimators: 30 }).fit(pixelFeatures(cut), labels);
  expect(await model.score(pixelFeatures(set.test), set.test.labels)).toBeGreaterThan(0.76);
  await expect(
    model.fit(pixelFeatures(cut), labels, { signal: AbortSignal.abort(new Error("enough")) }),
  ).rejects.toThrow("enough");
  expect(() => randomForestClassifier({ nEstimators: 0 })).toThrow("nEstimators is 0; give");
  await expect(
    randomForestClassifier().fit(
      x,
      y.map(() => 1),
    ),
  ).rejects.toThrow("one class only");
});
