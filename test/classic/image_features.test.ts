import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { hogBlocks } from "../../src/classic/hog.js";
import {
  linearSvc,
  loadModel,
  type Matrix,
  matrix,
  pipeline,
  pixelFeatures,
  type RandomConvOptions,
  randomConvFeatures,
  saveModel,
  standardScaler,
  type Transformer,
  type VisualWords,
  type VisualWordsOptions,
  visualWords,
} from "../../src/classic/index.js";
import { row } from "../../src/classic/matrix.js";
import { loadImageSet } from "../../src/data/index.js";
import { openCpu } from "../../src/devices/cpu/cpu.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { relativeError } from "../support/compare.js";

useDevice(await openCpu({ threads: 2 }));
const work = await mkdtemp(join(tmpdir(), "flybrick-features-"));
afterAll(() => rm(work, { recursive: true, force: true }));
const { train, test: held } = await loadImageSet({ name: "fashion-mnist", sample: true });
const x = pixelFeatures({ ...train, count: 300 });
const unseen = pixelFeatures({ ...held, count: 5 });
const same = (a: Matrix, b: Matrix): boolean =>
  Buffer.from(a.values.buffer).equals(Buffer.from(b.values.buffer));

async function reloaded(model: Transformer): Promise<Transformer> {
  const path = join(work, "features.safetensors");
  await saveModel(model, path);
  return (await loadModel(path)) as Transformer;
}

describe("visual words", () => {
  interface Learned {
    readonly mean: number[];
    readonly directions: Matrix;
    readonly words: Matrix;
  }

  function learned(model: VisualWords): Learned {
    const { mean, directions, words } = model.state().arrays;
    const asMatrix = ({ values, shape }: { values: ArrayLike<number>; shape: readonly number[] }): Matrix =>
      matrix(values, shape[0]!, shape[1]!);
    return { mean: [...mean!.values], directions: asMatrix(directions!), words: asMatrix(words!) };
  }

  /** Coates, Lee and Ng's descriptors, by plain loops: [place][number]. */
  function patches(
    pixels: Float32Array,
    size: number,
    stride: number,
    { mean, directions }: Learned,
  ): number[][] {
    const found: number[][] = [];
    for (let top = 0; top + size <= 28; top += stride)
      for (let left = 0; left + size <= 28; left += stride) {
        const patch = Array.from(
          { length: size * size },
          (_, i) => pixels[(top + Math.floor(i / size)) * 28 + left + (i % size)]!,
        );
        const average = patch.reduce((a, b) => a + b) / patch.length;
        const variance = patch.reduce((sum, v) => sum + (v - average) ** 2, 0) / patch.length;
        const scaled = patch.map((v, i) => (v - average) / Math.sqrt(variance + 10 / 65025) - mean[i]!);
        found.push(
          Array.from({ length: directions.rows }, (_, d) =>
            scaled.reduce((sum, v, i) => sum + v * row(directions, d)[i]!, 0),
          ),
        );
      }
    return found;
  }

  /** Each region's mean votes of its places, whole image first. */
  function histogram(places: number[][], words: Matrix, soft: boolean, pyramid: readonly number[]): number[] {
    const side = Math.sqrt(places.length);
    const votes = places.map((place) => {
      const distances = Array.from({ length: words.rows }, (_, w) =>
        Math.hypot(...place.map((v, i) => v - row(words, w)[i]!)),
      );
      const average = distances.reduce((a, b) => a + b) / words.rows;
      const nearest = distances.indexOf(Math.min(...distances));
      return distances.map((d, w) => (soft ? Math.max(0, average - d) : Number(w === nearest)));
    });
    return pyramid.flatMap((n) =>
      Array.from({ length: n * n }, (_, region) => {
        const inside = votes.filter((_, place) => {
          const part = (k: number): number =>
            [...Array(n).keys()].findLast((r) => k >= Math.floor((r * side) / n))!;
          return (
            part(Math.floor(place / side)) === Math.floor(region / n) && part(place % side) === region % n
          );
        });
        return Array.from(
          { length: words.rows },
          (_, w) => inside.reduce((sum, vote) => sum + vote[w]!, 0) / inside.length,
        );
      }).flat(),
    );
  }

  const cases: VisualWordsOptions[] = [
    { stride: 2, patchSize: 5 },
    { stride: 3, assignment: "soft", pyramid: [1] },
    { descriptor: "hog", pyramid: [1, 3] },
    { descriptor: "hog", assignment: "soft", hog: { pixelsPerCell: [3, 3], orientations: 6 } },
  ];
  for (const options of cases)
    test(`equal plain loops with ${JSON.stringify(options)}`, async () => {
      const model = await visualWords({ ...options, nWords: 12, nDescriptors: 2000, randomState: 1 }).fit(x);
      const found = await model.transform(unseen);
      const parts = learned(model);
      const { patchSize = 6, stride = 1, hog = {}, assignment, pyramid = [1, 2] } = options;
      const settings = { pixelsPerCell: [4, 4], cellsPerBlock: [2, 2], ...hog } as const;
      const wanted = Array.from({ length: 5 }, (_, i) => {
        let places: number[][];
        if (options.descriptor === "hog") {
          const { blocks, blockLength, describe: blocksOf } = hogBlocks(28, 28, settings);
          const values = new Float32Array(blocks[0] * blocks[1] * blockLength);
          blocksOf(Float64Array.from(row(unseen, i)), values);
          places = Array.from({ length: blocks[0] * blocks[1] }, (_, b) => [
            ...values.subarray(b * blockLength, (b + 1) * blockLength),
          ]);
        } else places = patches(row(unseen, i), patchSize, stride, parts);
        return histogram(places, parts.words, assignment === "soft", pyramid);
      }).flat();
      expect(relativeError(found.values, wanted)).toBeLessThan(1e-3);
    });

  test("a seed gives one vocabulary whatever the threads, another seed another; saved and loaded it says the same", async () => {
    const options = { nWords: 20, stride: 2, nDescriptors: 3000 };
    const found: Matrix[] = [];
    for (const threads of [1, 2]) {
      useDevice(await openCpu({ threads }));
      const model = await visualWords(options).fit(x);
      found.push(await model.transform(unseen), await (await reloaded(model)).transform(unseen));
    }
    expect(found.every((one) => same(one, found[0]!))).toBe(true);
    const other = await visualWords({ ...options, randomState: 1 }).fit(x);
    expect(same(await other.transform(unseen), found[0]!)).toBe(false);
  });

  test("tell images apart", async () => {
    const some = pixelFeatures({ ...train, count: 1500 });
    const labels = train.labels.subarray(0, 1500);
    const words = visualWords({
      nWords: 100,
      stride: 2,
      assignment: "soft",
      nDescriptors: 10_000,
      maxIter: 20,
    });
    const model = await pipeline(words, standardScaler(), linearSvc({ C: 0.01 })).fit(some, labels);
    expect(await model.score(pixelFeatures(held), held.labels)).toBeGreaterThan(0.78);
  });

  test("bad input is told in a sentence, progress and a signal as everywhere", async () => {
    expect(() => visualWords({ nWords: 0 })).toThrow("nWords is 0; give a whole number of at least 1");
    expect(() => visualWords({ descriptor: "sift" as "hog" })).toThrow(
      "descriptor is sift; give patch or hog",
    );
    expect(() => visualWords({ pyramid: [] })).toThrow("pyramid is []; give whole numbers of at least 1");
    await expect(visualWords({ patchSize: 30 }).fit(x)).rejects.toThrow(
      "patchSize is 30; give at most the images' smaller side, 28",
    );
    await expect(visualWords({ pyramid: [1, 30] }).fit(x)).rejects.toThrow(
      "pyramid is [1,30]; give no more regions a side than the 23 x 23 places of an image",
    );
    await expect(visualWords({ nWords: 100, nDescriptors: 50 }).fit(x)).rejects.toThrow(
      "nWords is 100; give at most the 50 places that are looked at",
    );
    await expect(visualWords().fit(matrix([1, 2], 1, 2))).rejects.toThrow(
      "no square's pixels; give imageSize",
    );
    await expect(visualWords().transform(x)).rejects.toThrow("this visualWords is not fitted yet");
    const told = new Set<string>();
    const settings = { nWords: 4, nDescriptors: 200, stride: 4 };
    const model = await visualWords(settings).fit(x, { onProgress: ({ what }) => told.add(what) });
    for (const what of ["examples", "eigenvectors", "first centres", "iterations"])
      expect(told).toContain(what);
    expect((await model.transform(matrix([], 0, 784))).columns).toBe(20);
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(model.fit(x, { signal })).rejects.toThrow("enough");
    await expect(model.transform(x, { signal })).rejects.toThrow("enough");
  });
});

describe("random convolution features", () => {
  for (const options of [{}, { kernelSize: 3, poolSize: 5, pool: "max" }] as RandomConvOptions[])
    test(`equal plain loops with ${JSON.stringify(options)}`, async () => {
      const model = await randomConvFeatures({ ...options, nFilters: 6 }).fit(x);
      const found = await model.transform(unseen);
      const { kernelSize: k = 5, poolSize: p = 4, pool } = options;
      const side = Math.floor((29 - k) / p);
      const wanted: number[] = [];
      for (let image = 0; image < 5; image++)
        for (let f = 0; f < 6; f++)
          for (let at = 0; at < side * side; at++) {
            const answers = Array.from({ length: p * p }, (_, i) => {
              const [top, left] = [Math.floor(at / side) * p + Math.floor(i / p), (at % side) * p + (i % p)];
              const sum = row(model.filters, f).reduce(
                (total, weight, j) =>
                  total + weight * row(unseen, image)[(top + Math.floor(j / k)) * 28 + left + (j % k)]!,
                0,
              );
              return Math.max(0, sum);
            });
            wanted.push(
              pool === "max" ? Math.max(...answers) : answers.reduce((a, b) => a + b) / answers.length,
            );
          }
      expect(relativeError(found.values, wanted)).toBeLessThan(1e-5);
    });

  test("filters have sum 0 and length 1, come from the seed, and are saved", async () => {
    const model = await randomConvFeatures({ randomState: 7 }).fit(x);
    for (let f = 0; f < model.filters.rows; f++) {
      const filter = row(model.filters, f);
      expect(Math.abs(filter.reduce((sum, v) => sum + v, 0))).toBeLessThan(1e-6);
      expect(filter.reduce((sum, v) => sum + v * v, 0)).toBeCloseTo(1, 6);
    }
    const found = await model.transform(unseen);
    expect(
      same(await (await randomConvFeatures({ randomState: 7 }).fit(unseen)).transform(unseen), found),
    ).toBe(true);
    expect(same(await (await randomConvFeatures({ randomState: 8 }).fit(x)).transform(unseen), found)).toBe(
      false,
    );
    expect(same(await (await reloaded(model)).transform(unseen), found)).toBe(true);
  });

  test("bad input is told in a sentence", async () => {
    expect(() => randomConvFeatures({ kernelSize: 1 })).toThrow(
      "kernelSize is 1; give a whole number of at least 2",
    );
    await expect(randomConvFeatures({ kernelSize: 29 }).fit(x)).rejects.toThrow(
      "kernelSize is 29; give at most the images' smaller side, 28",
    );
    await expect(randomConvFeatures({ poolSize: 25 }).fit(x)).rejects.toThrow(
      "poolSize is 25; give at most 24, what the filters leave of the images",
    );
    await expect(randomConvFeatures({ imageSize: [20, 20] }).fit(x)).rejects.toThrow("imageSize is [20,20]");
  });
});
