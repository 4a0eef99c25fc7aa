import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  type LinearSvc,
  type LinearSvcOptions,
  linearSvc,
  loadModel,
  matrix,
  pixelFeatures,
  saveModel,
  standardScaler,
  takeRows,
} from "../../src/classic/index.js";
import { loadImageSet } from "../../src/data/index.js";
import { openCpu } from "../../src/devices/cpu/cpu.js";
import { openReference } from "../../src/devices/reference/reference.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { relativeError } from "../support/compare.js";
import { blobs, fixture } from "./data.js";

interface Expected {
  readonly C: number;
  readonly objectives: number[];
  readonly decisions: number[];
  readonly predicted: number[];
}

const { linear } = fixture<{ linear: Record<string, Expected> }>("svm.json");
const device = await openCpu({ threads: 2 });
useDevice(device);
const work = await mkdtemp(join(tmpdir(), "flybrick-linear-"));
afterAll(() => rm(work, { recursive: true, force: true }));
const { x: raw, y, test: rawTest } = blobs();
const scaler = await standardScaler().fit(raw);
const x = await scaler.transform(raw);
const unseen = await scaler.transform(rawTest);
const bits = ({ coef, intercept }: LinearSvc): string =>
  Buffer.from(Float32Array.of(...coef.values, ...intercept).buffer).toString("base64");

describe("beside liblinear", () => {
  for (const [name, wanted] of Object.entries(linear))
    test(name, async () => {
      const rows = Array.from(y.keys()).filter((i) => name !== "two" || y[i]! < 5);
      const loss = name === "hinge" ? "hinge" : "squaredHinge";
      const settings: LinearSvcOptions = { C: wanted.C, loss, tol: 1e-7, maxIter: 1e6 };
      const model = await linearSvc(settings).fit(
        takeRows(x, rows),
        rows.map((i) => y[i]!),
      );
      expect(model.converged).toBe(true);
      expect((await linearSvc({ maxIter: 2 }).fit(x, y)).converged).toBe(false);
      // At the optimum the dual's value is the primal's with the other sign.
      expect(
        relativeError(
          model.report.map(({ objective }) => -objective),
          wanted.objectives,
        ),
      ).toBeLessThan(1e-5);
      expect(relativeError(await model.decisionFunction(unseen), wanted.decisions)).toBeLessThan(1e-4);
      expect([...(await model.predict(unseen))]).toEqual(wanted.predicted);
    });
});

describe("on images", async () => {
  const { train, test: held } = await loadImageSet({ name: "fashion-mnist", sample: true });
  const pixels = pixelFeatures({ ...train, count: 2000 });
  const labels = train.labels.subarray(0, 2000);

  test("the same bits on one thread, two and three; saved and loaded it says the same", async () => {
    const models: LinearSvc[] = [];
    for (const threads of [1, 2, 3]) {
      useDevice(await openCpu({ threads }));
      models.push(await linearSvc({ C: 0.01, maxIter: 30, randomState: 4 }).fit(pixels, labels));
    }
    useDevice(device);
    const [model, ...others] = models as [LinearSvc, ...LinearSvc[]];
    expect(others.every((other) => bits(other) === bits(model))).toBe(true);
    const other = await linearSvc({ C: 0.01, maxIter: 2, randomState: 5 }).fit(pixels, labels);
    expect(bits(other) === bits(model)).toBe(false);
    const path = join(work, "linear.safetensors");
    await saveModel(model, path);
    const loaded = (await loadModel(path)) as LinearSvc;
    const unseenPixels = pixelFeatures(held);
    expect(bits(loaded) === bits(model)).toBe(true);
    expect(await loaded.score(unseenPixels, held.labels)).toBeGreaterThan(0.8);
  });

  test("the optimum does not depend on the order of visits or the instruction set", async () => {
    const settings = { C: 0.001, tol: 1e-4, maxIter: 10_000 };
    const objectives = async (randomState: number): Promise<number[]> =>
      (await linearSvc({ ...settings, randomState }).fit(pixels, labels)).report.map((r) => r.objective);
    const reference = await objectives(0);
    expect(relativeError(await objectives(1), reference)).toBeLessThan(1e-5);
    for (const isa of ["avx2", "portable"]) {
      const other = await openCpu({ isa, threads: 2 }).catch(() => null);
      if (!other) continue;
      useDevice(other);
      expect(relativeError(await objectives(0), reference)).toBeLessThan(1e-5);
      useDevice(device);
    }
  });

  test("a signal stops it with its reason, progress is told", async () => {
    const told: unknown[] = [];
    const quick = linearSvc({ maxIter: 3 });
    await quick.fit(pixels, labels, { onProgress: (progress) => told.push(progress) });
    expect(told.at(-1)).toEqual({ what: "classes", done: 10, total: 10 });
    const before = bits(quick);
    const controller = new AbortController();
    const running = linearSvc({ C: 1000, tol: 1e-12, maxIter: 1e6 }).fit(pixels, labels, {
      signal: controller.signal,
    });
    setTimeout(() => controller.abort(new Error("halfway")), 20);
    await expect(running).rejects.toThrow("halfway");
    await expect(
      quick.fit(pixels, labels, { signal: AbortSignal.abort(new Error("enough")) }),
    ).rejects.toThrow("enough");
    expect(bits(quick) === before).toBe(true);
  });
});

test("bad input is told in a sentence, no rows give no decisions", async () => {
  expect(() => linearSvc({ C: 0 })).toThrow("C is 0; give a number above 0");
  expect(() => linearSvc({ loss: "log" as "hinge" })).toThrow("loss is log; give squaredHinge or hinge");
  expect(() => linearSvc({ maxIter: 0.5 })).toThrow("maxIter is 0.5; give a whole number");
  expect(() => linearSvc({ randomState: -1 })).toThrow("randomState is -1; give a whole number from 0");
  await expect(linearSvc().fit(matrix([1, 2], 2, 1), [1, 1])).rejects.toThrow("one class only, 1");
  await expect(linearSvc().fit(matrix([1, Number.NaN], 2, 1), [1, 2])).rejects.toThrow(
    "x holds NaN in row 1",
  );
  await expect(linearSvc().fit(matrix([1, -1e20], 2, 1), [1, 2])).rejects.toThrow(
    "the squared features of row 1 of x overflow float32; standardise the features",
  );
  await expect(linearSvc().predict(unseen)).rejects.toThrow("not fitted yet");
  const model = await linearSvc().fit(x, y);
  expect(await model.decisionFunction(matrix([], 0, 6))).toHaveLength(0);
  useDevice(openReference());
  await expect(linearSvc().fit(x, y)).rejects.toThrow("the device in use is another");
  useDevice(device);
});
