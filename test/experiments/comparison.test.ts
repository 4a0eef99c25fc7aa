import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { ImageSet, LabelledImages } from "../../src/data/index.js";
import { loadImageSet } from "../../src/data/index.js";
import { openReference } from "../../src/devices/reference/reference.js";
import { type Cell, compare, type NetworkResult } from "../../src/experiments/comparison.js";
import { comparisonCharts } from "../../src/experiments/comparison_charts.js";
import { type ComparisonPlan, threeEras } from "../../src/experiments/comparison_plan.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { recipes } from "../../src/train/recipes.js";
import { testDevices } from "../support/test_devices.js";

const found = (await testDevices()).find(([name]) => name === "cpu");
if (found) useDevice(found[1]);

const directory = await mkdtemp(join(tmpdir(), "flybrick-comparison-"));
afterAll(() => rm(directory, { recursive: true }));

/** Every tenth image. */
function thin(images: LabelledImages): LabelledImages {
  const { count, height, width } = images;
  const numbers = Array.from({ length: count / 10 }, (_, i) => 10 * i);
  const plane = height * width;
  return {
    ...images,
    count: numbers.length,
    images: Uint8Array.from(numbers.flatMap((i) => [...images.images.subarray(i * plane, (i + 1) * plane)])),
    labels: Uint8Array.from(numbers, (i) => images.labels[i]!),
  };
}

// An MLP stands in for AlexNet: nothing here depends on which network learned the features.
const plan: ComparisonPlan = {
  ...threeEras,
  networks: [
    {
      name: "AlexNet",
      model: "mlp",
      recipe: { ...recipes.fast, batchSize: 32 },
      epochs: { sample: 8, full: 1 },
    },
  ],
};

describe.runIf(found)("a comparison", async () => {
  const sample = await loadImageSet({ name: "fashion-mnist", sample: true });
  const data: ImageSet = { ...sample, train: thin(sample.train), test: thin(sample.test) };
  const out = join(directory, "all");
  const results: (Cell | NetworkResult)[] = [];
  const comparison = await compare(plan, data, out, { onResult: (result) => results.push(result) });

  test("has a cell for every learner on all features, and tells of each", () => {
    const { cells, networks } = comparison;
    expect(cells).toHaveLength(plan.featureSets.length * plan.learners.length);
    expect(results).toEqual([...networks, ...cells]);
    for (const { features, learner, accuracy } of cells)
      expect(accuracy, `${learner} on ${features}`).toBeGreaterThan(0.4);
    for (const { peakBytes, fitSeconds, predictSeconds } of results) {
      expect(peakBytes).toBeGreaterThan(2 ** 26);
      expect(Math.min(fitSeconds, predictSeconds)).toBeGreaterThan(0);
    }
  });

  test("scales pixels so that those suffer who measure distances, and no tree does", () => {
    const of = (features: string, learner: string): number =>
      comparison.cells.find((cell) => cell.features === features && cell.learner === learner)!.accuracy;
    const [good, bad] = ["pixels", "badly scaled pixels"];
    expect(of(bad!, "random forest")).toBe(of(good!, "random forest"));
    expect(of(bad!, "nearest neighbours")).toBeLessThan(of(good!, "nearest neighbours"));
    expect(of(bad!, "linear SVM")).toBeLessThan(of(good!, "linear SVM"));
  });

  test("takes learned features from the layer before the last, alone and beside HOG", () => {
    const columns = (features: string): number =>
      comparison.cells.find((cell) => cell.features === features)!.columns;
    expect(columns("AlexNet's features")).toBe(256);
    expect(columns("AlexNet's features and HOG")).toBe(256 + columns("HOG"));
    const softmax = comparison.cells.find(
      ({ features, learner }) => features === "AlexNet's features" && learner === "softmax",
    );
    // It is the network's own last layer, fitted once more.
    expect(Math.abs(softmax!.accuracy - comparison.networks[0]!.accuracy)).toBeLessThan(0.1);
  });

  test("finds the nearest by pixels and by learned features", () => {
    const rows = comparison.neighbors!.rows;
    expect(rows.map(({ number }) => data.test.labels[number])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const share = (measure: string): number =>
      rows
        .flatMap(({ number, groups }) => {
          const own = data.test.labels[number];
          const { numbers } = groups.find((group) => group.measure === measure)!;
          return numbers.map((near) => Number(data.train.labels[near] === own));
        })
        .reduce((sum, hit) => sum + hit, 0);
    expect(share("nearest by pixels")).toBeGreaterThan(25);
    expect(share("nearest by AlexNet's features")).toBeGreaterThan(25);
  });

  test("keeps what it found, and says where a kept result had other conditions", async () => {
    const states: boolean[] = [];
    const again = await compare(plan, data, out, { onResult: (_, { isKept }) => states.push(isKept) });
    expect(again).toEqual(comparison);
    expect(comparison.kernels!.shape).toEqual([256, 1, 28, 28]);
    expect(new Set(states)).toEqual(new Set([true]));
    await expect(compare(plan, data, out, { seed: 1 })).rejects.toThrow(
      /alexnet\.json was run with seed 0, but now it is 1: choose another --out, or delete it/,
    );
    const shuffled = { ...data, train: { ...data.train, labels: data.train.labels.toReversed() } };
    await expect(compare(plan, shuffled, out)).rejects.toThrow(
      /was run with data "\w+", but now it is "\w+"/,
    );
    await writeFile(join(out, "pixels_softmax.json"), "{");
    await expect(compare(plan, data, out)).rejects.toThrow(/pixels_softmax\.json is damaged: delete it/);
  });

  test("says before it trains anything that the device lacks the learners, or that results have no place", async () => {
    useDevice(openReference());
    const onResult = (): never => expect.unreachable();
    await expect(compare(plan, data, join(directory, "none"), { onResult })).rejects.toThrow(
      "linear SVM is fitted by the CPU device's addon",
    );
    useDevice(found![1]);
    await writeFile(join(directory, "file"), "");
    await expect(compare(plan, data, join(directory, "file", "results"), { onResult })).rejects.toThrow(
      /results cannot be made, because .*: choose another --out/,
    );
  });

  test("makes the rows and learners that are asked for, and names those that there are", async () => {
    const some = await compare(plan, data, join(directory, "some"), {
      rows: ["HOG"],
      learners: ["softmax", "random forest"],
    });
    expect(some.cells.map(({ features, learner }) => `${features}, ${learner}`)).toEqual([
      "HOG, softmax",
      "HOG, random forest",
    ]);
    expect(some.neighbors).toBeNull();
    const more = await compare(plan, data, join(directory, "some"), {
      rows: ["pixels"],
      learners: ["softmax"],
    });
    expect(more.cells.map(({ features, learner }) => `${features}, ${learner}`)).toEqual([
      "pixels, softmax",
      "HOG, softmax",
      "HOG, random forest",
    ]);
    await expect(compare(plan, data, out, { rows: ["SIFT"] })).rejects.toThrow(
      /there is no row "SIFT"; choose of AlexNet, pixels, /,
    );
    await expect(compare(plan, data, out, { learners: ["SVM"] })).rejects.toThrow(
      /there is no learner "SVM"; choose of softmax, nearest neighbours/,
    );
  });

  test("learns features anew where the network is trained otherwise", async () => {
    const rows = ["AlexNet's features"];
    const wanted = { rows, learners: ["softmax"] };
    const stem = join(directory, "anew");
    await compare(plan, data, stem, wanted);
    const [network] = plan.networks;
    const longer = { ...plan, networks: [{ ...network!, epochs: { sample: 1, full: 1 } }] };
    await expect(compare(longer, data, stem, wanted)).rejects.toThrow(
      /was run with network "\w+", but now it is/,
    );
    await rm(join(stem, "alexnet_s_features_softmax.json"));
    await rm(join(stem, "neighbors.json"));
    await compare(longer, data, stem, wanted);
    const files = await readdir(stem);
    expect(files.filter((name) => name.endsWith(".safetensors"))).toHaveLength(2);
  });

  test("stops when it is told to, and leaves no half result", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    const stopped = join(directory, "stopped");
    await expect(compare(plan, data, stopped, { signal, rows: ["pixels"] })).rejects.toThrow(/^enough$/);
    await expect(compare(plan, data, stopped, { signal })).rejects.toThrow(/^enough$/);
    expect((await readdir(stopped)).filter((name) => name.endsWith(".json"))).toEqual([]);
  });

  test("is drawn with every name, and marks neighbours of another class", async () => {
    const charts = comparisonCharts(comparison, data);
    expect(charts["kernels.svg"]!.match(/<image/g)).toHaveLength(36);
    for (const name of ["badly scaled pixels", "random forest", "AlexNet, end to end", "600 training images"])
      expect(charts["accuracy.svg"]).toContain(name);
    const strangers = comparison.neighbors!.rows.flatMap(({ number, groups }) =>
      groups.flatMap(({ numbers }) =>
        numbers.filter((near) => data.train.labels[near] !== data.test.labels[number]),
      ),
    );
    expect(charts["neighbors.svg"]!.match(/<path/g)).toHaveLength(strangers.length);
    expect(charts["neighbors.svg"]!.match(/<image/g)).toHaveLength(10 * 11);
    expect(JSON.parse(await readFile(join(out, "neighbors.json"), "utf8"))).toEqual(comparison.neighbors);
  });
});
