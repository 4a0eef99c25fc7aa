import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadImageSet } from "../../src/data/index.js";
import { runStudy, type Study, studies } from "../../src/experiments/ablation.js";
import { ablationCharts } from "../../src/experiments/ablation_charts.js";
import {
  alexnetLike,
  alexnetVariants,
  claimVariants,
  type Design,
  lenetLike,
  lenetVariants,
  sizeVariants,
  startVariants,
  type Variant,
} from "../../src/experiments/variants.js";
import { alexnet, lenet } from "../../src/models/index.js";
import type { Sequential } from "../../src/nn/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { testDevices } from "../support/test_devices.js";

const rowsOf = (net: Sequential) => net.layers().map(({ layer, outputShape }) => `${layer} ${outputShape}`);

const [, device] = (await testDevices()).at(-1)!;
useDevice(device);

const designOf = (variants: readonly Variant[], name: string): Design =>
  variants.find((variant) => variant.name === name)!.design;

describe("variants", () => {
  test("begin with the networks themselves, layer by layer", () => {
    expect(rowsOf(lenetLike(lenetVariants[0]!.design))).toEqual(rowsOf(lenet()));
    expect(rowsOf(alexnetLike(alexnetVariants[0]!.design, 224))).toEqual(rowsOf(alexnet()));
  });

  test("of AlexNet fit into images as small as Fashion-MNIST's", () => {
    const [small, ...large] = sizeVariants.map(({ design, size }) => rowsOf(alexnetLike(design, size!)));
    expect(small![0]).toBe("Conv2d 1,96,28,28");
    expect(large.map((rows) => rows[0])).toEqual(["Conv2d 1,96,26,26", "Conv2d 1,96,54,54"]);
    for (const rows of large) expect(rows.length).toBe(small!.length);
  });

  test("each differ from all others, in name and in design or size", () => {
    for (const { variants } of Object.values(studies)) {
      expect(new Set(variants.map(({ name }) => name)).size).toBe(variants.length);
      expect(new Set(variants.map(({ design, size }) => JSON.stringify({ design, size }))).size).toBe(
        variants.length,
      );
    }
  });

  test("have the layers that their names promise", () => {
    const kinds = (name: string): string[] => {
      const design = designOf(alexnetVariants, name);
      return alexnetLike(design, 112)
        .layers()
        .map(({ layer }) => layer);
    };
    const count = (name: string, layer: string): number => kinds(name).filter((one) => one === layer).length;
    expect(count("AlexNet", "ReLU")).toBe(7);
    expect(count("sigmoid for ReLU", "Sigmoid")).toBe(7);
    expect(count("tanh for ReLU", "ReLU")).toBe(0);
    expect(count("average for max pooling", "AvgPool2d")).toBe(3);
    expect(count("no dropout", "Dropout")).toBe(0);
    expect(count("three convolutions for five", "Conv2d")).toBe(3);
    const claims = (name: string): string[] =>
      lenetLike(designOf(claimVariants, name))
        .layers()
        .map(({ layer }) => layer);
    expect(claims("local response normalization").filter((one) => one === "LocalResponseNorm").length).toBe(
      2,
    );
    expect(claims("four convolutions, tanh").filter((one) => one === "Tanh").length).toBe(6);
    expect(claims("two convolutions, sigmoid").filter((one) => one === "Conv2d").length).toBe(2);
  });

  test("of biases of 1 start so where the paper says", async () => {
    const net = lenetLike(designOf(claimVariants, "biases of 1"));
    const ones: string[] = [];
    for (const [name, parameter] of net.namedParameters())
      if (name.endsWith("bias") && (await parameter.data()).every((value) => value === 1)) ones.push(name);
    // The convolutions after the first, and the hidden linear layers.
    expect(ones).toEqual(["3.bias", "5.bias", "7.bias", "11.bias", "13.bias"]);
  });

  test("have no small random biases where they start from the paper's weights", async () => {
    for (const name of ["biases of 0", "biases of 1"])
      for (const [key, parameter] of lenetLike(designOf(startVariants, name)).namedParameters()) {
        if (!key.endsWith("bias")) continue;
        const isOne = name === "biases of 1" && !["0.bias", "15.bias"].includes(key);
        expect(new Set(await parameter.data()), `${name} ${key}`).toEqual(new Set([isOne ? 1 : 0]));
      }
  });
});

const directory = await mkdtemp(join(tmpdir(), "flybrick-ablation-"));
afterAll(() => rm(directory, { recursive: true }));

describe("a study", async () => {
  const data = await loadImageSet({ name: "fashion-mnist", sample: true });
  const few = {
    ...data,
    test: {
      ...data.test,
      count: 100,
      images: data.test.images.subarray(0, 78_400),
      labels: data.test.labels.subarray(0, 100),
    },
  };
  const study: Study = {
    ...studies.lenet,
    variants: lenetVariants.slice(1, 3),
    setting: {
      ...studies.lenet.setting,
      images: 128,
      validationImages: 32,
      epochs: 2,
      learningRates: [1e-6, 0.03],
      seeds: [0, 1],
    },
  };

  test("chooses the learning rate on images that were held out, and keeps every trial", async () => {
    const places: number[] = [];
    const first = await runStudy(study, few, directory, { onTrial: (_, { done }) => places.push(done) });
    expect(places).toEqual(places.map((_, k) => k + 1));
    expect((await readdir(directory)).length).toBe(places.length);
    for (const { learningRate, learningRates, trials, testAccuracy, trainAccuracy } of first) {
      // 0.03 is better than 1e-6, so larger ones are tried, until one is worse or two are.
      expect(learningRates.slice(0, 3)).toEqual([1e-6, 0.03, 0.1]);
      const tried = await Promise.all(
        learningRates.map(async (rate) => {
          const path = join(
            directory,
            `${trials[0]!.variant === "+ ReLU" ? "relu" : "max_pooling"}-${rate}-0.json`,
          );
          return {
            rate,
            accuracy: JSON.parse(await readFile(path, "utf8")).epochs.at(-1).validationAccuracy,
          };
        }),
      );
      const best = tried.reduce((a, b) => (b.accuracy >= a.accuracy ? b : a));
      expect(learningRate).toBe(best.rate);
      expect(trials.map(({ seed }) => seed)).toEqual([0, 1]);
      expect(testAccuracy.values).toEqual(trials.map((trial) => trial.testAccuracy));
      expect(testAccuracy.mean).toBeCloseTo((testAccuracy.values[0]! + testAccuracy.values[1]!) / 2, 12);
      const [a, b] = trainAccuracy.values as [number, number];
      expect(trainAccuracy.deviation).toBeCloseTo(Math.abs(a - b) / Math.SQRT2, 12);
      for (const { epochs, layers } of trials) {
        expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2]);
        expect(layers.map(({ epoch }) => epoch)).toEqual([0, 1, 2]);
        expect(layers.every(({ gradientNorms }) => gradientNorms["0.weight"]! > 0)).toBe(true);
      }
    }
    const kept: boolean[] = [];
    const second = await runStudy(study, few, directory, { onTrial: (_, { isKept }) => kept.push(isKept) });
    expect(kept).toEqual(places.map(() => true));
    expect(JSON.stringify(second)).toBe(JSON.stringify(first));
    const charts = ablationCharts(first, study.title);
    for (const svg of Object.values(charts)) expect(svg).toMatch(/^<svg.*\+ ReLU.*<\/svg>\n$/s);
    expect(Object.keys(charts)).toEqual([
      "accuracy.svg",
      "curves.svg",
      "gradients.svg",
      "gradients_by_epoch.svg",
    ]);
  });

  test("refuses results of another setting, damaged ones, and too few images, in words", async () => {
    const other = { ...study, setting: { ...study.setting, epochs: 3 } };
    await expect(runStudy(other, few, directory)).rejects.toThrow(/was run with epochs 2, but now it is 3/);
    const path = join(directory, "relu-0.03-0.json");
    await writeFile(path, "{");
    await expect(runStudy(study, few, directory)).rejects.toThrow(`${path} is damaged: delete it`);
    const large = { ...study, setting: { ...study.setting, images: 5990 } };
    await expect(runStudy(large, data, join(directory, "other"))).rejects.toThrow(
      "this takes 6022 training images, but there are 6000: ask for fewer by --images",
    );
  });

  test("looks below the smallest rate where nothing is better than it", async () => {
    const dead = {
      ...study,
      variants: lenetVariants.slice(1, 2),
      setting: { ...study.setting, epochs: 1, learningRates: [1e8, 1e9], seeds: [0] },
    };
    const [summary] = await runStudy(dead, few, join(directory, "dead"));
    expect(summary!.learningRates).toEqual([0.3, 1, 1e8, 1e9]);
  });

  test("trains from the paper's small weights, which hardly let a gradient through", async () => {
    const { setting } = study;
    const small = {
      ...studies.start,
      variants: startVariants.slice(0, 1),
      setting: { ...setting, epochs: 1, learningRates: [0.01], seeds: [0] },
    };
    const [summary] = await runStudy(small, few, join(directory, "start"));
    const norms = summary!.trials[0]!.layers[0]!.gradientNorms;
    expect(norms["0.weight"]!).toBeLessThan(1e-3);
    expect(norms["15.bias"]!).toBeGreaterThan(0.01);
  });

  test("takes what is kept of variants that are not asked for, and only that", async () => {
    const small = {
      ...study,
      setting: { ...study.setting, images: 64, epochs: 1, learningRates: [0.03], seeds: [0] },
    };
    const out = join(directory, "only");
    const run = async (only?: string[]): Promise<string[]> =>
      (await runStudy(small, data, out, { only })).map(({ variant }) => variant);
    expect(await run(["+ max pooling"])).toEqual(["+ max pooling"]);
    expect(await run(["+ ReLU"])).toEqual(["+ ReLU", "+ max pooling"]);
    const other = { ...data, test: { ...data.test, labels: data.test.labels.map((label) => 9 - label) } };
    await expect(runStudy(small, other, out)).rejects.toThrow(/was run with data "\w+", but now it is "\w+"/);
  });

  test("takes a variant's own size, and trains at it", async () => {
    const variants = [{ ...lenetVariants[0]!, size: 32 }];
    const small = { ...study, variants, setting: { ...study.setting, epochs: 1, seeds: [0] } };
    const out = join(directory, "size");
    const [summary] = await runStudy(small, data, out);
    expect(summary!.trials[0]!.conditions.size).toBe(32);
    await expect(runStudy({ ...small, variants: [lenetVariants[0]!] }, data, out)).rejects.toThrow(
      /was run with size 32, but now it is 28/,
    );
  });

  test("stops when it is told to, and leaves no half trial", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    const out = join(directory, "stopped");
    await expect(runStudy(study, data, out, { signal })).rejects.toThrow(/^enough$/);
    expect(await readdir(out)).toEqual([]);
  });
});
