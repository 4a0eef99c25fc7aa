import { createHash } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { Dataset } from "../../src/data/dataset.js";
import { loadImageSet } from "../../src/data/fashion_mnist.js";
import { normalizationOf } from "../../src/data/image_set.js";
import type { Device } from "../../src/devices/device.js";
import { openDevice } from "../../src/devices/open.js";
import { softmaxRegression } from "../../src/models/mlp.js";
import type { Sequential } from "../../src/nn/index.js";
import { manualSeed } from "../../src/ops/random.js";
import { sgd, stepLr } from "../../src/optim/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { type RecipeSettings, recipeNames, recipeOptions, recipes } from "../../src/train/recipes.js";
import { type TrainOptions, train } from "../../src/train/train.js";
import { encodeWeights } from "../../src/train/weights.js";
import { smallAlexnet } from "../nn/networks.js";
import { testDevices } from "../support/test_devices.js";

const {
  train: images,
  test: testImages,
  classNames,
} = await loadImageSet({ name: "fashion-mnist", sample: true });

function take(count: number, from: typeof images): typeof images {
  const size = from.height * from.width;
  return { ...from, count, images: from.images.slice(0, count * size), labels: from.labels.slice(0, count) };
}

/** Trains softmax regression on 300 images, whose pixels stay in [0, 1]. */
async function trained(options: Omit<TrainOptions, "trainSet" | "testSet">): Promise<Sequential> {
  manualSeed(0);
  const net = softmaxRegression();
  const trainSet = new Dataset(take(300, images), classNames);
  const testSet = new Dataset(take(32, testImages), classNames);
  await train(net, { trainSet, testSet, epochs: 1, ...options });
  return net;
}

async function checksum(net: Sequential): Promise<string> {
  return createHash("sha256")
    .update(await encodeWeights(net))
    .digest("hex");
}

async function values(net: Sequential): Promise<number[]> {
  const all = await Promise.all(net.parameters().map((parameter) => parameter.data()));
  return all.flatMap((one) => [...one]);
}

for (const [name, device] of await testDevices()) {
  describe(`training by a recipe on ${name}`, () => {
    test("the notebook's is what train() does on its own, bit for bit", async () => {
      useDevice(device);
      const expected = await checksum(await trained({ optimizer: sgd({ learningRate: 0.01 }) }));
      expect(await checksum(await trained(recipeOptions(recipes.notebook)))).toBe(expected);
      expect(await checksum(await trained(recipeOptions(recipes.fast)))).not.toBe(expected);
    });

    // Small enough for 19 steps to be clipped.
    const settings: RecipeSettings = { ...recipes.fast, batchSize: 16, clipGradNorm: 0.5 };
    let usual: string;
    beforeAll(async () => {
      useDevice(device);
      usual = await checksum(await trained(recipeOptions(settings)));
    });

    test("the same settings give the same bits", async () => {
      useDevice(device);
      expect(await checksum(await trained(recipeOptions(settings)))).toBe(usual);
    });

    test.each<Partial<RecipeSettings>>([
      { batchSize: 64 },
      { optimizer: "adamw" },
      { learningRate: 0.02 },
      { momentum: 0.5 },
      { nesterov: false },
      { weightDecay: 0 },
      { schedule: "constant" },
      { warmupSteps: 0 },
      { clipGradNorm: false },
      { clipGradNorm: 0.1 },
      { mixup: 0.2 },
      { labelSmoothing: 0.1 },
      { emaDecay: 0.9 },
      { initializer: "kaiming-uniform" },
      { initializer: "xavier-uniform" },
    ])("each setting counts: %o", async (changed) => {
      useDevice(device);
      expect(await checksum(await trained(recipeOptions({ ...settings, ...changed })))).not.toBe(usual);
    });

    test("a clipped step is no longer than the learning rate times the largest norm", async () => {
      useDevice(device);
      manualSeed(0);
      const options = { batchSize: 300, initializer: null } as const;
      const optimizer = (learningRate: number) => sgd({ learningRate });
      const before = await values(await trained({ ...options, optimizer: optimizer(1e-30) }));
      const after = await values(await trained({ ...options, optimizer: optimizer(1), clipGradNorm: 0.01 }));
      const length = Math.sqrt(after.reduce((sum, value, k) => sum + (value - before[k]!) ** 2, 0));
      // The difference of weights of 0.03 errs by their rounding.
      expect(length).toBeGreaterThan(0.00999);
      expect(length).toBeLessThan(0.01001);
    });

    test("a schedule counts steps over all epochs and tells the last one's learning rate", async () => {
      useDevice(device);
      const rates: number[] = [];
      let total = 0;
      await trained({
        optimizer: sgd({ learningRate: 0.08 }),
        batchSize: 100,
        epochs: 3,
        schedule: (totalSteps) => {
          total = totalSteps;
          return stepLr({ stepSize: 2, gamma: 0.5 });
        },
        onEpoch: ({ learningRate }) => {
          rates.push(learningRate);
        },
      });
      expect(total).toBe(9);
      // Steps 2, 5 and 8 of 0 to 8.
      expect(rates).toEqual([0.04, 0.02, 0.005]);
    });
  });
}

if ((await testDevices()).some(([name]) => name === "cpu"))
  test("the fast recipe gives the same bits with 1 and 2 threads, and others for another seed", async () => {
    const weights = async (device: Device, seed: number): Promise<string> => {
      useDevice(device);
      manualSeed(seed);
      const net = smallAlexnet();
      const normalization = normalizationOf("fashion-mnist");
      await train(net, {
        ...recipeOptions({ ...recipes.fast, batchSize: 8 }),
        trainSet: new Dataset(take(48, images), classNames, { size: 224, normalization }),
        testSet: new Dataset(take(16, testImages), classNames, { size: 224, normalization }),
        epochs: 1,
        seed,
      });
      return checksum(net);
    };
    const one = await openDevice("cpu", { threads: 1 });
    const two = await openDevice("cpu", { threads: 2 });
    const first = await weights(two, 3);
    expect(await weights(two, 3)).toBe(first);
    expect(await weights(one, 3)).toBe(first);
    expect(await weights(two, 4)).not.toBe(first);
  });

test("the fast recipe is what was found", () => {
  expect(recipeNames).toEqual(["notebook", "fast", "best"]);
  expect(recipes.fast).toEqual({
    batchSize: 128,
    optimizer: "sgd",
    learningRate: 0.015,
    momentum: 0.9,
    nesterov: true,
    weightDecay: 0.0005,
    schedule: "cosine",
    warmupSteps: 150,
    clipGradNorm: 5,
    initializer: "kaiming-normal",
    normalize: true,
    augment: [],
    mixup: 0,
    labelSmoothing: 0,
    emaDecay: 0,
  });
});

test("a name that there is none of is refused in words", () => {
  const settings = (changed: object): RecipeSettings => ({ ...recipes.fast, ...changed });
  expect(() => recipeOptions(settings({ optimizer: "lion" }))).toThrow(
    'there is no optimizer named "lion"; choose one of sgd, adam, adamw',
  );
  expect(() => recipeOptions(settings({ schedule: "toString" }))).toThrow(
    'there is no schedule named "toString"; choose one of constant, cosine',
  );
  expect(() => recipeOptions(settings({ momentum: 0 }))).toThrow("nesterov needs a momentum above 0");
});
