import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  loadModel,
  type Matrix,
  matrix,
  pixelFeatures,
  type Svc,
  type SvcOptions,
  saveModel,
  standardScaler,
  svc,
} from "../../src/classic/index.js";
import { loadImageSet } from "../../src/data/index.js";
import { openCpu } from "../../src/devices/cpu/cpu.js";
import { openReference } from "../../src/devices/reference/reference.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { relativeError } from "../support/compare.js";
import { blobs, fixture } from "./data.js";

interface Expected {
  readonly options: SvcOptions;
  readonly support: number[];
  readonly gamma: number;
  readonly objectives: number[];
  readonly decisions: number[];
  readonly predicted: number[];
}

const { svc: expected, probabilities } = fixture<{ svc: Record<string, Expected>; probabilities: number[] }>(
  "svm.json",
);
const device = await openCpu({ threads: 2 });
useDevice(device);
const raw = blobs();
const scaler = await standardScaler().fit(raw.x);
const [x, y, unseen, truth] = [
  await scaler.transform(raw.x),
  raw.y,
  await scaler.transform(raw.test),
  raw.truth,
];
const work = await mkdtemp(join(tmpdir(), "flybrick-svc-"));
afterAll(() => rm(work, { recursive: true, force: true }));

const set = await loadImageSet({ name: "fashion-mnist", sample: true });
/** The first images of the shipped sample, of so many classes. */
function images(count: number): { x: Matrix; y: Uint8Array } {
  const { images, labels } = set.train;
  const cut = {
    ...set.train,
    images: images.subarray(0, count * 784),
    labels: labels.subarray(0, count),
    count,
  };
  return { x: pixelFeatures(cut), y: cut.labels };
}
const bits = (model: Svc): string =>
  Buffer.from(Float32Array.of(...model.dualCoef.values, ...model.intercept).buffer).toString("base64");

describe("beside libsvm", () => {
  for (const [kernel, wanted] of Object.entries(expected))
    test(kernel, async () => {
      const model = await svc({ ...wanted.options, kernel: kernel as "rbf", tol: 1e-5, maxIter: 1e6 }).fit(
        x,
        y,
      );
      expect(model.converged).toBe(true);
      expect(
        relativeError(
          model.report.map(({ objective }) => objective),
          wanted.objectives,
        ),
      ).toBeLessThan(1e-5);
      expect(Math.abs(model.supportVectors.rows - wanted.support.length)).toBeLessThanOrEqual(
        wanted.support.length / 100,
      );
      expect(relativeError(await model.decisionFunction(unseen), wanted.decisions)).toBeLessThan(1e-3);
      expect([...(await model.predict(unseen))]).toEqual(wanted.predicted);
    });

  test("rbf far from 0 decides as near it", async () => {
    const far = (some: Matrix): Matrix =>
      matrix(
        some.values.map((value) => value + 1e4),
        some.rows,
        6,
      );
    // Back again, exactly: what float32 kept of the features is the same in both.
    const near = (some: Matrix): Matrix =>
      matrix(
        far(some).values.map((value) => value - 1e4),
        some.rows,
        6,
      );
    const options: SvcOptions = { C: 10, gamma: 0.2, tol: 1e-5, maxIter: 1e6 };
    const model = await svc(options).fit(far(x), y);
    const reference = await svc(options).fit(near(x), y);
    expect(
      relativeError(
        await model.decisionFunction(far(unseen)),
        await reference.decisionFunction(near(unseen)),
      ),
    ).toBeLessThan(1e-3);
    expect(await model.score(far(unseen), truth)).toBe(await reference.score(near(unseen), truth));
  });

  test("probabilities, whose folds libsvm draws by its own numbers", async () => {
    const model = await svc({ C: 10, probability: true, maxIter: 1e6 }).fit(x, y);
    const found = await model.predictProba(unseen);
    const mean = found.reduce((sum, p, i) => sum + Math.abs(p - probabilities[i]!), 0) / found.length;
    expect(mean).toBeLessThan(0.03);
    for (let i = 0; i < truth.length; i++)
      expect(found.subarray(4 * i, 4 * i + 4).reduce((s, p) => s + p, 0)).toBeCloseTo(1, 5);
    await saveModel(model, join(work, "probable.safetensors"));
    const loaded = (await loadModel(join(work, "probable.safetensors"))) as Svc;
    expect(relativeError(await loaded.predictProba(unseen), found)).toBe(0);
    expect([...(await loaded.predict(unseen))]).toEqual([...(await model.predict(unseen))]);
  });
});

describe("on images", () => {
  const { x: pixels, y: labels } = images(600);

  test("the same bits on one thread and two, with little memory the same optimum", async () => {
    const models: Svc[] = [];
    for (const threads of [1, 2, 3]) {
      useDevice(await openCpu({ threads }));
      models.push(await svc({ C: 10, maxIter: 1e6 }).fit(pixels, labels));
    }
    useDevice(device);
    expect(bits(models[1]!) === bits(models[0]!)).toBe(true);
    expect(bits(models[2]!) === bits(models[0]!)).toBe(true);
    const tight = await svc({ C: 10, cacheSize: 0.1, maxIter: 1e6 }).fit(pixels, labels);
    const objective = (model: Svc): number => model.report.reduce((sum, one) => sum + one.objective, 0);
    const kernelRows = (model: Svc): number => model.report.reduce((sum, one) => sum + one.kernelRows, 0);
    expect(kernelRows(tight)).toBeGreaterThan(kernelRows(models[0]!));
    expect(Math.abs(objective(tight) / objective(models[0]!) - 1)).toBeLessThan(1e-4);
  });

  test("two classes alone use all threads for their rows, to the same bits", async () => {
    const two = labels.map((label) => Number(label > 4));
    const found: string[] = [];
    for (const threads of [1, 2]) {
      useDevice(await openCpu({ threads }));
      found.push(bits(await svc({ C: 1, kernel: "poly", maxIter: 1e6 }).fit(pixels, two)));
    }
    useDevice(device);
    expect(found[0] === found[1]).toBe(true);
  });

  test("instruction sets agree", async () => {
    for (const isa of ["avx2", "portable"]) {
      const other = await openCpu({ isa, threads: 2 }).catch(() => null);
      if (!other) continue;
      useDevice(other);
      const model = await svc({ C: 10, maxIter: 1e6 }).fit(pixels, labels);
      useDevice(device);
      const reference = await svc({ C: 10, maxIter: 1e6 }).fit(pixels, labels);
      expect(
        relativeError(
          model.report.map((r) => r.objective),
          reference.report.map((r) => r.objective),
        ),
      ).toBeLessThan(1e-4);
    }
  });

  // Variables are put aside again and again, and brought back for the last look.
  test("a hard problem is solved to the end: every margin condition holds", async () => {
    const model = await svc({ C: 1000, kernel: "linear", tol: 1e-3, maxIter: 1e7 }).fit(x, y);
    const decisions = await model.decisionFunction(x);
    const first = y
      .map((label, i) => ({ label, value: decisions[i * 6]! }))
      .filter(({ label }) => label === 3 || label === 4);
    // More often than the eight orders that are remembered.
    expect(Math.max(...model.report.map(({ shrinkings }) => shrinkings))).toBeGreaterThan(8);
    expect(model.converged).toBe(true);
    // Primal and dual values agree at the optimum: |w|^2 / 2 + C sum of hinges = -dual.
    const weight = new Float64Array(6);
    for (let v = 0; v < model.supportVectors.rows; v++)
      for (let j = 0; j < 6; j++)
        weight[j]! += model.dualCoef.values[v * 6]! * model.supportVectors.values[v * 6 + j]!;
    const hinges = first.reduce(
      (sum, { label, value }) => sum + Math.max(0, 1 - (label === 3 ? value : -value)),
      0,
    );
    const primal = weight.reduce((sum, w) => sum + w * w, 0) / 2 + 1000 * hinges;
    expect(Math.abs(primal / -model.report[0]!.objective - 1)).toBeLessThan(0.01);
  });
});

describe("bad input is told in a sentence", () => {
  test("too little memory for kernel rows, settings out of range, no probabilities, the wrong device", async () => {
    await expect(svc({ cacheSize: 0.01 }).fit(x, y)).rejects.toThrow(
      "cacheSize is 0.01 MiB and the kernel rows of two classes of 120 examples together take 1 MiB at least",
    );
    expect(() => svc({ C: 0 })).toThrow("C is 0; give a number above 0");
    expect(() => svc({ kernel: "cubic" as "poly" })).toThrow(
      "kernel is cubic; give linear, poly, rbf or sigmoid",
    );
    await expect((await svc({ maxIter: 1e6 }).fit(x, y)).predictProba(unseen)).rejects.toThrow(
      "make it with { probability: true }",
    );
    expect(() => svc({ tol: Number.POSITIVE_INFINITY })).toThrow(
      "tol is Infinity; give a finite number above 0",
    );
    expect(() => svc({ randomState: -1 })).toThrow("randomState is -1; give a whole number");
    const few = [matrix([1, 2, 3], 3, 1), [0, 1, 1]] as const;
    await expect(svc({ probability: true }).fit(...few)).rejects.toThrow("a class has one example");
    await expect(svc().fit(matrix([1, 2], 2, 1), [1, 1])).rejects.toThrow("one class only, 1");
    useDevice(openReference());
    await expect(svc().fit(x, y)).rejects.toThrow("the device in use is another");
    useDevice(device);
  });

  test("features that are no numbers, no features, settings that overflow", async () => {
    await expect(svc().fit(matrix([1, Number.NaN], 2, 1), [1, 2])).rejects.toThrow("x holds NaN in row 1");
    await expect(svc().fit(matrix([], 0, 6), [])).rejects.toThrow("x has 0 rows and 6 columns");
    const model = await svc({ maxIter: 1e6 }).fit(x, y);
    await expect(model.predict(matrix([0, 0, 0, 0, Number.NaN, 0], 1, 6))).rejects.toThrow("column 4");
    expect(await model.predict(matrix([], 0, 6))).toHaveLength(0);
    expect(() => svc({ gamma: Number.POSITIVE_INFINITY })).toThrow("gamma is Infinity; give");
    expect(() => svc({ kernel: "poly", degree: 2.5 })).toThrow("degree is 2.5; give a whole number");
  });

  test("kernel values that overflow, in fit and in predict", async () => {
    const overflow = "kernel values overflow: standardise the features, or lower gamma or degree";
    const settings = { kernel: "poly", maxIter: 1e4 } as const;
    await expect(svc({ ...settings, degree: 9, gamma: 1e5 }).fit(x, y)).rejects.toThrow(overflow);
    // Only the products of different examples overflow.
    await expect(
      svc({ ...settings, gamma: 1, degree: 9, coef0: -1e4 }).fit(matrix([1e2, -1e2], 2, 1), [0, 1]),
    ).rejects.toThrow(overflow);
    const huge = matrix([1e20, -1e20, 1, 2], 4, 1);
    for (const kernel of ["linear", "rbf"] as const)
      await expect(svc({ kernel, maxIter: 1e4 }).fit(huge, [0, 1, 0, 1])).rejects.toThrow(
        "the squared features of row 0 of x overflow float32; standardise the features",
      );
    const model = await svc({ ...settings, gamma: 1, degree: 9 }).fit(x, y);
    await expect(model.predict(matrix(new Float32Array(6).fill(1e6), 1, 6))).rejects.toThrow(overflow);
  });

  test("too few iterations are told", async () => {
    const model = await svc({ C: 10, maxIter: 5 }).fit(x, y);
    expect(model.converged).toBe(false);
    expect((await model.fit(matrix([0, 1], 2, 1), [0, 1])).converged).toBe(true);
  });

  test("so many examples that their numbers are no arguments, and kernel rows for no machine", async () => {
    const count = 600_000;
    const many = matrix(new Float32Array(count).fill(1), count, 1);
    const labels = Int32Array.from({ length: count }, (_, i) => i & 1);
    await expect(svc({ cacheSize: 1 }).fit(many, labels)).rejects.toThrow("cacheSize is 1 MiB and");
    await expect(svc({ cacheSize: 1e9 }).fit(many, labels)).rejects.toThrow(
      /cacheSize 1000000000 MiB take [\d.]+ GiB and this machine has .*; lower cacheSize/,
    );
  });

  test("a signal stops the solver, progress is told", async () => {
    const { x: pixels, y: labels } = images(400);
    await expect(
      svc().fit(pixels, labels, { signal: AbortSignal.abort(new Error("enough")) }),
    ).rejects.toThrow("enough");
    const told: number[] = [];
    await svc({ maxIter: 1e6 }).fit(pixels, labels, { onProgress: ({ done }) => told.push(done) });
    expect(told.at(-1)).toBe(45);
    const controller = new AbortController();
    const running = svc({ C: 1000, tol: 1e-9, maxIter: 1e7 }).fit(pixels, labels, {
      signal: controller.signal,
    });
    controller.abort(new Error("halfway"));
    await expect(running).rejects.toThrow("halfway");
  });
});
