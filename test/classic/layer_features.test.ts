import { describe, expect, test } from "vitest";
import {
  layerFeatures,
  logisticRegression,
  matrix,
  pipeline,
  pixelFeatures,
  saveModel,
} from "../../src/classic/index.js";
import { Dataset, loadImageSet } from "../../src/data/index.js";
import { loadTrained } from "../../src/deploy/saved_run.js";
import { openCpu } from "../../src/devices/cpu/cpu.js";
import * as nn from "../../src/nn/index.js";
import { manualSeed } from "../../src/ops/random.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { forwardLayers } from "../../src/train/statistics.js";
import { relativeError } from "../support/compare.js";

useDevice(await openCpu({ threads: 2 }));
const { test: all, classNames } = await loadImageSet({ name: "fashion-mnist", sample: true });
const some = { ...all, count: 10, images: all.images.subarray(0, 7840), labels: all.labels.subarray(0, 10) };
const x = pixelFeatures(some);
const normalization = { mean: 0.286, std: 0.353 };

/** A network of every kind: a nested one, dropout, feature maps, larger images than the set's. */
function net(): nn.Sequential {
  manualSeed(3);
  return nn.sequential(
    [1, 32, 32],
    nn.conv2d(1, 4, { kernelSize: 5, stride: 2 }),
    nn.relu(),
    nn.dropout({ p: 0.5 }),
    new nn.Sequential([4, 14, 14], nn.conv2d(4, 6, { kernelSize: 3 }), nn.relu()),
    nn.flatten(),
    nn.linear(6 * 12 * 12, 10),
  ) as nn.Sequential;
}

/** Each layer's output as the data set's own batches give it. */
async function outputs(of: nn.Sequential): Promise<Map<string, Tensor>> {
  const set = new Dataset(some, classNames, { size: 32, normalization });
  const found = new Map<string, Tensor>();
  of.eval();
  forwardLayers(of, set.batch(Int32Array.from({ length: 10 }, (_, i) => i)).x, (name, output) =>
    found.set(name, output),
  );
  of.train();
  return found;
}

describe("equal the layer's output on the data set's batches", async () => {
  const model = net();
  const wanted = await outputs(model);
  const cases: [number | string, string][] = [
    [0, "0 Conv2d"],
    ["1 ReLU", "1 ReLU"],
    ["3.0 Conv2d", "3.0 Conv2d"],
    [3, "3.1 ReLU"],
    [-2, "4 Flatten"],
    [-1, "5 Linear"],
  ];
  for (const [layer, name] of cases)
    test(`${layer}`, async () => {
      const features = await layerFeatures(model, layer, { normalization, batchSize: 4 }).fit(x);
      const found = await features.transform(x);
      expect([found.rows, found.columns]).toEqual([
        10,
        wanted
          .get(name)!
          .shape.slice(1)
          .reduce((a, b) => a * b),
      ]);
      expect(relativeError(found.values, await wanted.get(name)!.data())).toBeLessThan(1e-5);
      expect(model.training && [...model].every((one) => one.training)).toBe(true);
    });

  test("each map's mean; a layer without maps stays as it is", async () => {
    const options = { normalization, pool: "average" } as const;
    const found = await (await layerFeatures(model, 1, options).fit(x)).transform(x);
    const maps = (await wanted.get("1 ReLU")!.data()) as Float32Array;
    const means = Float32Array.from(
      { length: 40 },
      (_, i) => maps.subarray(i * 196, (i + 1) * 196).reduce((sum, v) => sum + v, 0) / 196,
    );
    expect(found.columns).toBe(4);
    expect(relativeError(found.values, means)).toBeLessThan(1e-5);
    expect((await (await layerFeatures(model, -1, options).fit(x)).transform(x)).columns).toBe(10);
  });
});

test("LeNet's last hidden layer and softmax regression know what LeNet knows", async () => {
  const { net: lenet, normalization } = await loadTrained("lenet");
  const { train, test: held } = await loadImageSet({ name: "fashion-mnist", sample: true });
  const learned = pipeline(layerFeatures(lenet, -2, { normalization }), logisticRegression({ C: 0.1 }));
  await learned.fit(pixelFeatures({ ...train, count: 1500 }), train.labels.subarray(0, 1500));
  expect(await learned.score(pixelFeatures(held), held.labels)).toBeGreaterThan(0.84);
});

test("bad input is told in a sentence, no rows give none", async () => {
  expect(() => layerFeatures(net(), 6)).toThrow(
    "there is no layer 6; give a number below 6, or one of 0 Conv2d, 1 ReLU, 2 Dropout, 3.0 Conv2d, 3.1 ReLU, 4 Flatten, 5 Linear",
  );
  expect(() => layerFeatures(net(), "3 Conv2d")).toThrow('there is no layer "3 Conv2d"');
  expect(() => layerFeatures(nn.sequential([784], nn.linear(784, 2)) as nn.Sequential, 0)).toThrow(
    "the network takes [784]; give one that takes images",
  );
  expect(() => layerFeatures(net(), 0, { pool: "max" as "none" })).toThrow(
    "pool is max; give none or average",
  );
  expect(() => layerFeatures(net(), 0, { normalization: { mean: 0, std: 0 } })).toThrow("std is 0");
  await expect(layerFeatures(net(), 0).fit(matrix([1, 2], 1, 2))).rejects.toThrow(
    "x has 2 features, no square's pixels; give imageSize",
  );
  await expect(layerFeatures(net(), 0, { imageSize: [14, 14] }).fit(x)).rejects.toThrow(
    "x has 784 features and imageSize is [14,14]; give images of 14 x 14 pixels",
  );
  const features = await layerFeatures(net(), 0, { imageSize: [14, 56] }).fit(x);
  expect((await features.transform(matrix([], 0, 784))).rows).toBe(0);
  await expect(features.transform(x, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow(
    "enough",
  );
  await expect(saveModel(features, "nowhere")).rejects.toThrow(
    "layerFeatures cannot be saved with its network",
  );
});
