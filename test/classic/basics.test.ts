import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { symmetricEigen } from "../../src/classic/eigen.js";
import {
  type Classifier,
  concatFeatures,
  kNeighborsClassifier,
  loadModel,
  logisticRegression,
  matrix,
  pca,
  pipeline,
  saveModel,
  standardScaler,
  takeRows,
} from "../../src/classic/index.js";
import { zeroMatrix } from "../../src/classic/matrix.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { relativeError } from "../support/compare.js";
import { testDevices } from "../support/test_devices.js";
import { blobs, fixture } from "./data.js";

interface Expected {
  readonly scaler: Record<"mean" | "scale" | "transformed", number[]>;
  readonly pca: Record<"components" | "variance" | "ratio" | "transformed", number[]>;
  readonly softmax: Record<"coef" | "intercept" | "probabilities", number[]>;
  readonly neighbors: Record<"indices" | "distances" | "predicted" | "weighted", number[]>;
}

const expected = fixture<Expected>("classic.json");
const { x, y, test: unseen, truth } = blobs();
const work = await mkdtemp(join(tmpdir(), "flybrick-classic-"));
afterAll(() => rm(work, { recursive: true, force: true }));

for (const [name, device] of await testDevices())
  describe(`beside scikit-learn on ${name}`, () => {
    test("StandardScaler", async () => {
      useDevice(device);
      const scaler = await standardScaler().fit(x);
      expect(relativeError(scaler.mean, expected.scaler.mean)).toBeLessThan(1e-6);
      expect(relativeError(scaler.scale, expected.scaler.scale)).toBeLessThan(1e-6);
      const { values } = await scaler.transform(unseen);
      expect(relativeError(values, expected.scaler.transformed)).toBeLessThan(1e-6);
    });

    test("PCA, up to the components' signs", async () => {
      useDevice(device);
      const model = await pca({ nComponents: 4 }).fit(x);
      expect(relativeError(model.explainedVariance, expected.pca.variance)).toBeLessThan(1e-5);
      expect(relativeError(model.explainedVarianceRatio, expected.pca.ratio)).toBeLessThan(1e-5);
      const signs = [0, 1, 2, 3].map((i) =>
        Math.sign(
          model.components.values
            .subarray(i * 6, i * 6 + 6)
            .reduce((sum, v, j) => sum + v * expected.pca.components[i * 6 + j]!, 0),
        ),
      );
      const { values } = await model.transform(unseen);
      expect(
        relativeError(
          values.map((v, i) => v * signs[i % 4]!),
          expected.pca.transformed,
        ),
      ).toBeLessThan(1e-5);
    });

    test("softmax regression", async () => {
      useDevice(device);
      const model = await logisticRegression({ C: 0.5, tol: 1e-7, maxIter: 1000 }).fit(x, y);
      expect(relativeError(model.coef.values, expected.softmax.coef)).toBeLessThan(1e-3);
      expect(model.report.iterations).toBeLessThan(1000);
      const short = await logisticRegression({ maxIter: 3 }).fit(x, y);
      expect([short.report, short.converged]).toEqual([{ iterations: 3, converged: false }, false]);
      const easy = await logisticRegression({ tol: 1e-2, maxIter: 1000 }).fit(x, y);
      expect([easy.report.converged, easy.converged]).toEqual([true, true]);
      const probabilities = await model.predictProba(unseen);
      expect(relativeError(probabilities, expected.softmax.probabilities)).toBeLessThan(1e-3);
    });

    test("k nearest neighbours", async () => {
      useDevice(device);
      const model = await kNeighborsClassifier({ nNeighbors: 7 }).fit(x, y);
      const { indices, distances } = await model.kneighbors(unseen);
      expect([...indices]).toEqual(expected.neighbors.indices);
      expect(relativeError(distances, expected.neighbors.distances)).toBeLessThan(1e-6);
      expect([...(await model.predict(unseen))]).toEqual(expected.neighbors.predicted);
      const weighted = await kNeighborsClassifier({ nNeighbors: 7, weights: "distance" }).fit(x, y);
      expect(relativeError(await weighted.predictProba(unseen), expected.neighbors.weighted)).toBeLessThan(
        1e-5,
      );
    });
  });

const cpu = (await testDevices()).at(-1)![1];

test("eigenvectors of a random symmetric matrix multiply back to it", async () => {
  const n = 37;
  const a = new Float64Array(n * n);
  let state = 1;
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      state = (state * 48271) % 2147483647;
      a[i * n + j] = a[j * n + i] = state / 2147483647 - 0.5;
    }
  const { values, vectors } = await symmetricEigen(a.slice(), n);
  let worst = 0;
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += values[k]! * vectors[k * n + i]! * vectors[k * n + j]!;
      worst = Math.max(worst, Math.abs(sum - a[i * n + j]!));
    }
  expect(worst).toBeLessThan(1e-13);
  expect([...values].every((value, i) => i === 0 || value <= values[i - 1]!)).toBe(true);
});

test("whitened components have variance 1, and a share of the variance chooses their number", async () => {
  useDevice(cpu);
  const { rows, columns, values } = await (await pca({ nComponents: 3, whiten: true }).fit(x)).transform(x);
  for (let j = 0; j < columns; j++) {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += values[i * columns + j]! ** 2;
    expect(sum / (rows - 1)).toBeCloseTo(1, 4);
  }
  const some = await pca({ nComponents: 0.9 }).fit(x);
  const share = some.explainedVarianceRatio.reduce((sum, ratio) => sum + ratio, 0);
  expect(share).toBeGreaterThanOrEqual(0.9);
  expect(share - some.explainedVarianceRatio.at(-1)!).toBeLessThan(0.9);
});

test("a constant feature becomes 0, not NaN", async () => {
  const { values } = await (await standardScaler().fit(matrix([0.1, 1, 0.1, 2, 0.1, 3], 3, 2))).transform(
    matrix([0.1, 2], 1, 2),
  );
  expect(Math.abs(values[0]!)).toBeLessThan(1e-6);
  expect(values[1]).toBe(0);
});

test("a pipeline saved and loaded predicts the same, and scores as told by hand", async () => {
  useDevice(cpu);
  for (const last of [logisticRegression(), kNeighborsClassifier()]) {
    const model = await pipeline(standardScaler(), pca({ nComponents: 5 }), last).fit(x, y);
    const path = join(work, "model.safetensors");
    await saveModel(model, path);
    const loaded = (await loadModel(path)) as Classifier;
    const before = await model.predict(unseen);
    expect([...(await loaded.predict(unseen))]).toEqual([...before]);
    const hits = truth.filter((label, i) => label === before[i]).length;
    expect(await loaded.score(unseen, truth)).toBe(hits / truth.length);
    expect(hits / truth.length).toBeGreaterThan(0.7);
  }
});

test("a damaged or foreign file is refused", async () => {
  const path = join(work, "scaler.safetensors");
  await saveModel(await standardScaler().fit(x), path);
  const bytes = await readFile(path);
  await writeFile(path, bytes.subarray(0, bytes.length - 3));
  await expect(loadModel(path)).rejects.toThrow("not a sound safetensors file");
  await writeFile(path, bytes.toString("latin1").replaceAll("standardScaler", "standardScalar"), "latin1");
  await expect(loadModel(path)).rejects.toThrow('no model of kind "standardScalar"');
  await writeFile(path, bytes.toString("latin1").replaceAll("columns", "colours"), "latin1");
  await expect(loadModel(path)).rejects.toThrow("is not a sound model: it lacks columns; save it again");
  await expect(loadModel(join(work, "none"))).rejects.toThrow("no such file");
});

describe("bad input is told in a sentence", () => {
  const make: Record<string, () => Classifier> = {
    softmax: logisticRegression,
    neighbours: kNeighborsClassifier,
  };
  for (const [name, classifier] of Object.entries(make))
    test(name, async () => {
      await expect(
        classifier().fit(
          x,
          y.map(() => 3),
        ),
      ).rejects.toThrow("one class only, 3; give examples of at least two");
      await expect(classifier().fit(x, y.slice(1))).rejects.toThrow(
        "x has 240 rows and y 239 labels; give as many",
      );
      await expect(
        classifier().fit(
          x,
          y.map((label) => label + 0.5),
        ),
      ).rejects.toThrow("classes are whole numbers");
      await expect(classifier().fit(matrix([], 0, 6), [])).rejects.toThrow(
        "x has 0 rows and 6 columns; give at least one",
      );
      const broken = Float32Array.from(x.values);
      broken[6 * 5 + 2] = Number.NaN;
      await expect(classifier().fit(matrix(broken, 240, 6), y)).rejects.toThrow(
        "x holds NaN in row 5, column 2; remove",
      );
      await expect(classifier().predict(unseen)).rejects.toThrow("not fitted yet; call fit first");
      const fitted = await classifier().fit(x, y);
      await expect(fitted.predict(matrix([1, 2], 1, 2))).rejects.toThrow("x has 2 features and this");
      expect(await fitted.predict(matrix([], 0, 6))).toHaveLength(0);
      await expect(fitted.score(matrix([], 0, 6), [])).rejects.toThrow("at least one example to score");
    });

  test("more features than memory, and settings out of range", async () => {
    expect(() => zeroMatrix(60_000, 10_000_000)).toThrow(
      /60000 examples of 10000000 features take 2235.2 GiB and this machine has/,
    );
    await expect(pca().fit(matrix(new Float32Array(400_000), 2, 200_000))).rejects.toThrow(
      "take fewer features",
    );
    expect(() => pca({ nComponents: 1.5 })).toThrow("nComponents is 1.5; give");
    await expect(pca({ nComponents: 7 }).fit(x)).rejects.toThrow("have at most 6");
    expect(() => logisticRegression({ C: -1 })).toThrow("C is -1; give a number above 0");
    await expect(kNeighborsClassifier({ nNeighbors: 500 }).fit(x, y)).rejects.toThrow("give at most as many");
    expect(() => concatFeatures(x, unseen)).toThrow("240 and 80");
    expect(() => concatFeatures()).toThrow("give at least one matrix");
    expect(() => takeRows(x, [0, 240])).toThrow("there is no row 240 of 240");
  });
});

test("progress is told and a signal stops the work with its reason", async () => {
  useDevice(cpu);
  const told: unknown[] = [];
  const model = await kNeighborsClassifier().fit(x, y);
  await model.predict(unseen, { onProgress: (progress) => told.push(progress) });
  expect(told).toEqual([{ what: "examples", done: 80, total: 80 }]);
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(model.predict(unseen, { signal })).rejects.toThrow("enough");
  await expect(pca().fit(x, { signal })).rejects.toThrow("enough");
  await expect(logisticRegression().fit(x, y, { signal })).rejects.toThrow("enough");
  const softmax = await logisticRegression().fit(x, y);
  const parts: unknown[] = [];
  await softmax.predict(unseen, { onProgress: (progress) => parts.push(progress) });
  expect(parts).toEqual([{ what: "examples", done: 80, total: 80 }]);
  await expect(softmax.predict(unseen, { signal })).rejects.toThrow("enough");
  await expect(softmax.predictProba(unseen, { signal })).rejects.toThrow("enough");
});

test("features whose squares overflow are refused", async () => {
  useDevice(cpu);
  const huge = matrix([1, -1e20], 2, 1);
  await expect(logisticRegression().fit(huge, [1, 2])).rejects.toThrow("row 1 of x overflow float32");
  const model = await logisticRegression().fit(matrix([1, 2], 2, 1), [1, 2]);
  await expect(model.predict(huge)).rejects.toThrow("row 1 of x overflow float32; standardise the features");
});

test("what was fitted before stays where a fit is stopped, in every part of a pipeline", async () => {
  useDevice(cpu);
  const model = await pipeline(standardScaler(), pca({ nComponents: 3 }), logisticRegression()).fit(x, y);
  const before = await model.predict(unseen);
  const other = matrix(
    x.values.map((value, i) => value * (i % 7) - 50),
    240,
    6,
  );
  expect((await pipeline(standardScaler(), logisticRegression({ maxIter: 2 })).fit(x, y)).converged).toBe(
    false,
  );
  // First pca is stopped, then it has been fitted and the classifier is.
  for (const stopAt of [1, 2]) {
    const controller = new AbortController();
    let passes = 0;
    const running = model.fit(other, y, {
      signal: controller.signal,
      onProgress: ({ what, done, total }) => {
        if (what === "examples" && done === total && ++passes === stopAt)
          controller.abort(new Error("halfway"));
      },
    });
    await expect(running).rejects.toThrow("halfway");
    expect([...(await model.predict(unseen))]).toEqual([...before]);
  }
  const narrow = matrix(x.values.subarray(0, 480), 160, 3);
  const reduced = await pca({ nComponents: 2 }).fit(x);
  const { values } = await reduced.transform(unseen);
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(reduced.fit(narrow, { signal })).rejects.toThrow("enough");
  expect(relativeError((await reduced.transform(unseen)).values, values)).toBe(0);
});
