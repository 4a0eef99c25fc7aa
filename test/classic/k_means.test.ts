import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  type KMeans,
  kMeans,
  loadModel,
  matrix,
  saveModel,
  standardScaler,
} from "../../src/classic/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { relativeError } from "../support/compare.js";
import { testDevices } from "../support/test_devices.js";
import { blobs, fixture } from "./data.js";

const work = await mkdtemp(join(tmpdir(), "flybrick-means-"));
afterAll(() => rm(work, { recursive: true, force: true }));
const { means } = fixture<{ means: { inertia: number; distances: number[] } }>("classic.json");
const { x: raw, test: rawTest } = blobs();
const scaler = await standardScaler().fit(raw);
const x = await scaler.transform(raw);
const unseen = await scaler.transform(rawTest);
const devices = await testDevices();

for (const [name, device] of devices)
  test(`on ${name}, one of five starts finds scikit-learn's best of fifty`, async () => {
    useDevice(device);
    let best: KMeans | undefined;
    for (let randomState = 0; randomState < 5; randomState++) {
      const one = await kMeans({ nClusters: 3, tol: 0, randomState }).fit(x);
      if (!best || one.inertia < best.inertia) best = one;
    }
    expect(relativeError([best!.inertia], [means.inertia])).toBeLessThan(1e-5);
    const { values } = await best!.transform(unseen);
    const sorted = Array.from({ length: 80 }, (_, i) =>
      [...values.subarray(3 * i, 3 * i + 3)].sort((a, b) => a - b),
    );
    expect(relativeError(sorted.flat(), means.distances)).toBeLessThan(1e-5);
  });

test("ends where each centre is the mean of the examples nearest to it, however far off they all lie", async () => {
  useDevice(devices.at(-1)![1]);
  const far = matrix(
    x.values.map((value) => value + 1000),
    x.rows,
    x.columns,
  );
  const model = await kMeans({ nClusters: 12, tol: 0, randomState: 3 }).fit(far);
  const distances = await model.transform(far);
  const labels = await model.predict(far);
  const sums = new Float64Array(12 * 6);
  const counts = new Int32Array(12);
  for (let i = 0; i < far.rows; i++) {
    const own = distances.values[i * 12 + labels[i]!]!;
    expect(distances.values.subarray(i * 12, i * 12 + 12).every((other) => other >= own - 1e-3)).toBe(true);
    counts[labels[i]!]!++;
    for (let j = 0; j < 6; j++) sums[labels[i]! * 6 + j]! += far.values[i * 6 + j]!;
  }
  expect(counts.every((count) => count > 0)).toBe(true);
  const centres = sums.map((sum, at) => sum / counts[Math.floor(at / 6)]!);
  expect(relativeError(model.clusterCenters.values, centres)).toBeLessThan(1e-6);
  expect(model.nIter).toBeGreaterThan(1);
});

test("examples that coincide leave no cluster without a number; saved and loaded it says the same", async () => {
  const model = await kMeans({ nClusters: 3 }).fit(matrix([1, 1, 1, 1, 5], 5, 1));
  expect(model.inertia).toBe(0);
  expect(model.clusterCenters.values.every(Number.isFinite)).toBe(true);
  const path = join(work, "means.safetensors");
  const first = await kMeans({ nClusters: 6 }).fit(x);
  await saveModel(first, path);
  const loaded = (await loadModel(path)) as KMeans;
  expect([loaded.inertia, loaded.nIter]).toEqual([first.inertia, first.nIter]);
  expect([...(await loaded.predict(unseen))]).toEqual([...(await first.predict(unseen))]);
});

test("bad input is told in a sentence, a signal stops it", async () => {
  expect(() => kMeans({ nClusters: 0 })).toThrow("nClusters is 0; give a whole number of at least 1");
  expect(() => kMeans({ tol: -1 })).toThrow("tol is -1; give a number of at least 0");
  await expect(kMeans({ nClusters: 500 }).fit(x)).rejects.toThrow("x has 240 rows; give at most as many");
  await expect(kMeans().predict(x)).rejects.toThrow("not fitted yet");
  await expect(kMeans().fit(x, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
});
