import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { randomCrop } from "../../src/data/augment.js";
import { Dataset } from "../../src/data/dataset.js";
import { loadImageSet } from "../../src/data/fashion_mnist.js";
import * as nn from "../../src/nn/index.js";
import { drawFor, manualSeed, rand, randn } from "../../src/ops/random.js";
import { sgd } from "../../src/optim/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { type TrainOptions, train } from "../../src/train/train.js";
import { firstImages } from "../support/few_images.js";
import { testDevices } from "../support/test_devices.js";

const { train: images, classNames } = await loadImageSet({ name: "fashion-mnist", sample: true });
const few = firstImages(images, 40);

function network(): nn.Sequential {
  manualSeed(7);
  return nn.sequential(
    [1, 28, 28],
    nn.flatten(),
    nn.linear(784, 12),
    nn.relu(),
    nn.dropout(),
    nn.linear(12, 10),
  );
}

/** Losses and gradients of every step, and the weights at the end. */
async function run(
  options: Partial<TrainOptions>,
  net = network(),
): Promise<{ losses: number[]; values: number[] }> {
  const losses: number[] = [];
  const values: number[] = [];
  const augment = randomCrop({ padding: 2 });
  const { epochs } = await train(net, {
    trainSet: new Dataset(few, classNames, { augment }),
    testSet: new Dataset(few, classNames),
    optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
    batchSize: 16,
    epochs: 1,
    onStep: async ({ loss }) => {
      losses.push(await loss.item());
      for (const { grad } of net.parameters()) values.push(...(await grad!.data()));
    },
    ...options,
  });
  for (const parameter of net.parameters()) values.push(...(await parameter.data()));
  values.push(...epochs.flatMap(({ loss, trainAccuracy, testLoss }) => [loss, trainAccuracy, testLoss]));
  return { losses, values };
}

function furthest(a: readonly number[], b: readonly number[]): number {
  expect(a.length).toBe(b.length);
  return a.reduce((worst, value, k) => Math.max(worst, Math.abs(value - b[k]!)), 0);
}

for (const [name, device] of await testDevices({ all: true }))
  describe(`micro-batches on ${name}`, { timeout: 120_000 }, () => {
    test("losses, gradients and weights are the whole batch's, dropout, augmentation and mixup included", async () => {
      useDevice(device);
      const options = { mixup: 0.4, labelSmoothing: 0.1, clipGradNorm: 0.5, emaDecay: 0.9 };
      const whole = await run(options);
      // 16 examples in parts of 5, 5, 5 and 1; the last batch has 8.
      const parts = await run({ ...options, microBatchSize: 5 });
      expect(furthest(parts.losses, whole.losses)).toBeLessThan(1e-5);
      expect(furthest(parts.values, whole.values)).toBeLessThan(1e-5);
      expect(new Set(whole.losses).size).toBe(3);
    });

    test("random numbers of a part are the whole batch's, bit for bit", async () => {
      useDevice(device);
      const draws = async (first: number, count: number): Promise<number[]> => {
        manualSeed(5);
        const [a, b] = drawFor({ first, count }, () => [rand([count, 3]), randn([count, 2])]);
        return [...(await a.data()), ...(await b.data())];
      };
      const whole = await draws(0, 7);
      const part = await draws(3, 2);
      expect(part).toEqual([...whole.slice(9, 15), ...whole.slice(21 + 6, 21 + 10)]);
    });
  });

describe("micro-batches", () => {
  test("a layer that normalizes by its whole batch is refused in a sentence", async () => {
    const net = nn.sequential([1, 28, 28], nn.batchNorm2d(1), nn.flatten(), nn.linear(784, 10));
    await expect(run({ microBatchSize: 5 }, net)).rejects.toThrow(
      /^microBatchSize is 5, but BatchNorm2d normalizes by its whole batch of 16/,
    );
    await expect(run({ microBatchSize: 0 })).rejects.toThrow(
      "microBatchSize is 0; give a whole number of at least 1",
    );
    await run({ microBatchSize: 16, onStep: () => {} }, net);
  });

  test("a run that is resumed keeps its size, and another one is refused", async () => {
    const directory = await mkdtemp(join(tmpdir(), "flybrick-micro-"));
    try {
      const stop = new AbortController();
      const begun = { microBatchSize: 5, checkpoint: { directory }, signal: stop.signal };
      await run({ ...begun, onStep: ({ step }) => (step === 2 ? stop.abort() : undefined) });
      const again = { checkpoint: { directory, resume: true } };
      await expect(run({ ...again, microBatchSize: 4 })).rejects.toThrow(/microBatchSize 5, and now it is 4/);
      const resumed = await run({ ...again, onStep: () => {} });
      const whole = await run({ microBatchSize: 5, onStep: () => {} });
      expect(furthest(resumed.values, whole.values)).toBe(0);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
