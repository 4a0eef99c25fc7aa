import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { binFeatures } from "../../src/classic/bin_features.js";
import {
  extraTreesClassifier,
  type FitProgress,
  type Forest,
  type ForestOptions,
  loadModel,
  type Matrix,
  matrix,
  pixelFeatures,
  randomForestClassifier,
  saveModel,
} from "../../src/classic/index.js";
import { loadImageSet } from "../../src/data/index.js";
import { openCpu } from "../../src/devices/cpu/cpu.js";
import type { Device } from "../../src/devices/device.js";
import { openReference } from "../../src/devices/reference/reference.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { blobs, fixture } from "./data.js";

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

    test("plain loops grow the same trees, bit for bit", async () => {
      for (const options of [
        { randomState: 2 ** 40 + 7 },
        { maxDepth: 5, minSamplesLeaf: 3, maxFeatures: 2 },
      ]) {
        const settings = { nEstimators: 12, ...options };
        useDevice(await openCpu({ threads: 2 }));
        const native = await make(settings).fit(x, y);
        useDevice(openReference());
        const plain = await make(settings).fit(x, y);
        expect(plain.state()).toEqual(native.state());
      }
    });

    test("trees without bootstrap know every training example; bounds keep them small", async () => {
      useDevice(await openCpu({ threads: 2 }));
      expect(await (await make({ nEstimators: 3, bootstrap: false }).fit(x, y)).score(x, y)).toBe(1);
      const stump = await make({ nEstimators: 1, maxDepth: 1, bootstrap: false }).fit(x, y);
      const distinct = new Set(Array.from(await stump.predictProba(x), (p, i) => (i % 4 === 0 ? p : 0)));
      expect(distinct.size).toBeLessThanOrEqual(3);
    });
  });

describe("prediction on the device's threads", async () => {
  /** Rows enough for two tasks and a rest, far from the training examples too. */
  const many = matrix(
    Float32Array.from({ length: 1100 * 6 }, (_, i) => x.values[(i * 7) % x.values.length]! * (1 + (i % 5))),
    1100,
    6,
  );
  const part = (rows: number): Matrix => matrix(many.values.subarray(0, rows * 6), rows, 6);
  const devices: Device[] = [];
  for (const isa of ["avx512", "avx2", "portable"])
    for (const threads of [1, 2]) {
      const device = await openCpu({ isa, threads }).catch(() => null);
      if (device) devices.push(device);
    }

  test("gives the bits of the plain walk, whatever the rows, trees, instructions and threads", async () => {
    const options: ForestOptions[] = [
      { nEstimators: 1 },
      { nEstimators: 4, maxDepth: 2 },
      { nEstimators: 13 },
      // Trees that are a leaf each.
      { nEstimators: 5, minSamplesSplit: 10_000 },
    ];
    expect(devices.length).toBeGreaterThanOrEqual(2);
    for (const option of options) {
      useDevice(devices[0]!);
      const model = await randomForestClassifier(option).fit(x, y);
      for (const rows of [1, 15, 16, 17, 64, 65, 513, 1100]) {
        useDevice(openReference());
        const expected = await model.predictProba(part(rows));
        for (const device of devices) {
          useDevice(device);
          expect(same(await model.predictProba(part(rows)), expected), `${rows} ${device.description}`).toBe(
            true,
          );
        }
      }
    }
  });

  test("a matrix in the middle of an array, progress and a signal", async () => {
    useDevice(devices[0]!);
    const model = await extraTreesClassifier({ nEstimators: 20 }).fit(x, y);
    const told: number[] = [];
    const onProgress = ({ what, done, total }: FitProgress): void => {
      expect([what, total]).toEqual(["examples", 1000]);
      told.push(done);
    };
    const middle = matrix(many.values.subarray(100 * 6), 1000, 6);
    const found = await model.predictProba(middle, { onProgress });
    expect(same(found, (await model.predictProba(many)).slice(100 * 4))).toBe(true);
    expect(told.at(-1)).toBe(1000);
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(model.predict(many, { signal })).rejects.toThrow("enough");
  });

  test("what is no finite number is told of, wherever it stands", async () => {
    useDevice(devices[0]!);
    const model = await randomForestClassifier({ nEstimators: 5 }).fit(x, y);
    for (const device of [openReference(), ...devices])
      for (const [at, value] of [
        [0, Number.NaN],
        [700 * 6 + 3, Number.POSITIVE_INFINITY],
        [1100 * 6 - 1, Number.NEGATIVE_INFINITY],
      ] as const) {
        useDevice(device);
        const wrong = matrix(many.values.with(at, value), 1100, 6);
        const told = `x holds ${value} in row ${Math.floor(at / 6)}, column ${at % 6}; remove`;
        await expect(model.predictProba(wrong)).rejects.toThrow(told);
        await expect(model.predict(wrong)).rejects.toThrow(told);
      }
  });

  test("a damaged model is refused before anything follows its nodes", async () => {
    useDevice(devices[0]!);
    const model = await randomForestClassifier({ nEstimators: 3 }).fit(x, y);
    const broken = (name: string, at: number, value: number): (() => Forest) => {
      const state = model.state();
      const values = (state.arrays[name]!.values as Int32Array).with(at, value);
      const arrays = { ...state.arrays, [name]: { values, shape: [values.length] } };
      return () => randomForestClassifier({ nEstimators: 3 }).restore({ ...state, arrays });
    };
    expect(broken("roots", 1, 1 << 20)).toThrow("its 3 trees do not begin among its");
    expect(broken("nodes", 1, 0)).toThrow("node 0 of its trees leads nowhere");
    expect(broken("nodes", 0, 6)).toThrow("node 0 of its trees leads nowhere");
    const leaf = (model.state().arrays.nodes!.values as Int32Array).indexOf(-1);
    expect(broken("nodes", leaf + 1, 1 << 20)).toThrow(`node ${leaf / 2} of its trees leads nowhere`);
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
  await expect(randomForestClassifier().fit(matrix([1, Number.NaN], 2, 1), [1, 2])).rejects.toThrow(
    "x holds NaN in row 1",
  );
  await expect(randomForestClassifier().fit(matrix([], 0, 6), [])).rejects.toThrow("x has 0 rows");
  await expect(model.predict(matrix(new Float32Array(784).fill(Number.NaN), 1, 784))).rejects.toThrow(
    "x holds NaN in row 0",
  );
  expect(await model.predict(matrix([], 0, 784))).toHaveLength(0);
});

describe("beside scikit-learn", async () => {
  const expected = fixture<Record<string, { shares: number[]; accuracies: number[] }>>("forest.json");
  const makers: [string, (options: ForestOptions) => Forest, ForestOptions][] = [
    ["randomForestClassifier", randomForestClassifier, {}],
    ["extraTreesClassifier", extraTreesClassifier, {}],
    [
      "small",
      randomForestClassifier,
      { maxDepth: 4, minSamplesLeaf: 5, minSamplesSplit: 20, maxFeatures: 3 },
    ],
  ];
  for (const [name, make, options] of makers)
    test(`${name}: shares of thousands of trees, accuracies over seeds`, async () => {
      useDevice(await openCpu({ threads: 2 }));
      const { shares, accuracies } = expected[name]!;
      const many = await make({ ...options, nEstimators: 3000 }).fit(x, y);
      const found = await many.predictProba(unseen);
      const errors = found.map((share, i) => share - shares[i]!);
      // Chance makes 0.009.
      expect(Math.sqrt(errors.reduce((sum, e) => sum + e * e, 0) / errors.length)).toBeLessThan(0.012);
      expect(Math.max(...errors.map(Math.abs))).toBeLessThan(0.05);
      const own: number[] = [];
      for (let randomState = 0; randomState < 20; randomState++)
        own.push(await (await make({ ...options, randomState }).fit(x, y)).score(unseen, truth));
      const [theirs, ours] = [meanOf(accuracies), meanOf(own)];
      const spread = Math.sqrt(varianceOf(accuracies) / accuracies.length + varianceOf(own) / own.length);
      expect(Math.abs(theirs - ours)).toBeLessThan(4 * spread + 0.5 / truth.length);
    });
});

const meanOf = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length;
const varianceOf = (values: readonly number[]): number =>
  meanOf(values.map((value) => (value - meanOf(values)) ** 2));

describe("split search beside plain loops", () => {
  /** What a split leaves of Gini impurity, times the examples; a split is its left side. */
  function impurity(members: readonly number[], isLeft: (i: number) => boolean): number {
    return [members.filter(isLeft), members.filter((i) => !isLeft(i))].reduce((sum, side) => {
      const squares = [3, 4, 7, 9].reduce(
        (s, label) => s + side.filter((i) => y[i] === label).length ** 2,
        0,
      );
      return sum + side.length - (side.length ? squares / side.length : 0);
    }, 0);
  }

  /** The least impurity of all splits between values of a feature that leave enough examples; Infinity without any. */
  function best(members: readonly number[], data: Matrix, leaf: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (let j = 0; j < data.columns; j++)
      for (const cut of members.map((i) => data.values[i * data.columns + j]!)) {
        const isLeft = (i: number): boolean => data.values[i * data.columns + j]! <= cut;
        const count = members.filter(isLeft).length;
        if (count < leaf || members.length - count < leaf) continue;
        least = Math.min(least, impurity(members, isLeft));
      }
    return least;
  }

  for (const options of [{}, { minSamplesLeaf: 6, minSamplesSplit: 30 }, { maxDepth: 3 }] as ForestOptions[])
    test(`every node of a tree is cut best, or a leaf for a reason: ${JSON.stringify(options)}`, async () => {
      const { minSamplesLeaf = 1, minSamplesSplit = 2, maxDepth = 99 } = options;
      const model = await randomForestClassifier({
        ...options,
        nEstimators: 1,
        bootstrap: false,
        maxFeatures: 6,
      }).fit(x, y);
      const { nodes, thresholds, values } = model.state().arrays;
      let splits = 0;
      const visit = (node: number, members: number[], depth: number): void => {
        const [feature, next] = [nodes!.values[2 * node]!, nodes!.values[2 * node + 1]!];
        const least = best(members, x, minSamplesLeaf);
        if (feature >= 0) {
          splits++;
          const isLeft = (i: number): boolean => x.values[i * 6 + feature]! <= thresholds!.values[node]!;
          expect(impurity(members, isLeft)).toBeCloseTo(least, 9);
          visit(node + 1, members.filter(isLeft), depth + 1);
          visit(
            next,
            members.filter((i) => !isLeft(i)),
            depth + 1,
          );
          return;
        }
        const shares = [3, 4, 7, 9].map(
          (label) => members.filter((i) => y[i] === label).length / members.length,
        );
        expect([...values!.values.slice(4 * next, 4 * next + 4)]).toEqual(shares.map(Math.fround));
        const isDone = shares.includes(1) || depth >= maxDepth || members.length < minSamplesSplit;
        expect(isDone || least === Number.POSITIVE_INFINITY).toBe(true);
      };
      visit(0, [...y.keys()], 0);
      expect(splits).toBeGreaterThan(5);
    });

  test("extra trees cut anywhere between the least and the largest value", async () => {
    const line = matrix(
      Array.from({ length: 101 }, (_, i) => i),
      101,
      1,
    );
    const labels = Array.from({ length: 101 }, (_, i) => i % 2);
    const model = await extraTreesClassifier({ nEstimators: 2000, maxDepth: 1 }).fit(line, labels);
    const { roots, thresholds } = model.state().arrays;
    const cuts = Array.from(roots!.values, (root) => thresholds!.values[root]!);
    expect(Math.abs(meanOf(cuts) - 50)).toBeLessThan(3);
    expect(Math.abs(Math.sqrt(varianceOf(cuts)) - 100 / Math.sqrt(12))).toBeLessThan(1.5);
  });
});

describe("bins", () => {
  /** Numbers of [0, 1) whose squares crowd at 0. */
  const crowd = Float32Array.from({ length: 5000 }, (_, i) => ((i * 0.6180339887) % 1) ** 3 * 1000);
  const repeated = crowd.map((value, i) => (i % 3 === 0 ? 500 : value));

  test("a value each where there are at most 256", async () => {
    const { codes, lows, highs } = await binFeatures(matrix([7, -2, 7, 0.5], 4, 1));
    expect([...codes]).toEqual([2, 0, 2, 1]);
    expect([...lows.subarray(0, 3)]).toEqual([-2, 0.5, 7]);
    expect([...highs.subarray(0, 3)]).toEqual([-2, 0.5, 7]);
    expect([...(await binFeatures(matrix([0, -0, 1], 3, 1))).codes]).toEqual([0, 0, 1]);
    const whole = Float32Array.from({ length: 1000 }, (_, i) => i % 256);
    expect((await binFeatures(matrix(whole, 1000, 1))).codes.every((code, i) => code === i % 256)).toBe(true);
  });

  for (const [name, values] of [
    ["all different", crowd],
    ["a third the same", repeated],
  ] as const)
    test(`of about as many examples each where there are more: ${name}`, async () => {
      const { codes, lows, highs } = await binFeatures(matrix(values, 5000, 1));
      const counts = new Int32Array(256);
      for (const code of codes) counts[code]!++;
      const bins = counts.findLastIndex((count) => count > 0) + 1;
      expect(values.every((value, i) => value >= lows[codes[i]!]! && value <= highs[codes[i]!]!)).toBe(true);
      for (let bin = 1; bin < bins; bin++) expect(lows[bin]!).toBeGreaterThan(highs[bin - 1]!);
      const usual = [...counts.subarray(0, bins)].filter((count) => count < 1000);
      expect(Math.max(...usual)).toBeLessThanOrEqual(2 * Math.ceil(5000 / 256));
      expect(bins).toBeGreaterThan(name === "all different" ? 250 : 160);
    });

  test("a signal stops it between features, progress is told", async () => {
    // Many values a feature, so that binning takes a while.
    const wide = matrix(
      Float32Array.from({ length: 2000 * 1000 }, (_, i) => (i * 7919) % 100_003),
      2000,
      1000,
    );
    const controller = new AbortController();
    const told: number[] = [];
    const running = binFeatures(wide, {
      signal: controller.signal,
      onProgress: ({ what, done }) => {
        expect(what).toBe("features");
        told.push(done);
        controller.abort(new Error("enough"));
      },
    });
    await expect(running.then(() => "made")).rejects.toThrow("enough");
    expect(told).toHaveLength(1);
    expect(told[0]!).toBeLessThan(1000);
    const narrow: number[] = [];
    await binFeatures(matrix([1, 2], 1, 2), { onProgress: ({ done }) => narrow.push(done) });
    expect(narrow.at(-1)).toBe(2);
  });

  test("cut a step of many values to within a bin's examples", async () => {
    useDevice(await openCpu({ threads: 2 }));
    const labels = Array.from(crowd, (value) => Number(value > 321));
    const model = await randomForestClassifier({ nEstimators: 1, bootstrap: false }).fit(
      matrix(crowd, 5000, 1),
      labels,
    );
    const wrong = (await model.predict(matrix(crowd, 5000, 1))).filter(
      (label, i) => label !== labels[i],
    ).length;
    expect(wrong).toBeLessThanOrEqual(5000 / 256);
  });
});
