import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { Dataset } from "../../src/data/dataset.js";
import { loadImageSet } from "../../src/data/fashion_mnist.js";
import { softmaxRegression } from "../../src/models/mlp.js";
import type { Sequential } from "../../src/nn/index.js";
import { backward } from "../../src/ops/gradients.js";
import { manualSeed, rand } from "../../src/ops/random.js";
import { crossEntropy } from "../../src/ops/softmax.js";
import { sgd } from "../../src/optim/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { tensor, variable } from "../../src/tensor/tensor.js";
import { mixupShare } from "../../src/train/mixup.js";
import { augmentationNames, augmentationOf } from "../../src/train/recipes.js";
import { type TrainOptions, train } from "../../src/train/train.js";
import { encodeWeights } from "../../src/train/weights.js";
import { testDevices } from "../support/test_devices.js";

const set = await loadImageSet({ name: "fashion-mnist", sample: true });
const few = {
  ...set.train,
  count: 96,
  images: set.train.images.slice(0, 96 * 28 * 28),
  labels: set.train.labels.slice(0, 96),
};

async function trained(options: Partial<TrainOptions>): Promise<Sequential> {
  manualSeed(0);
  const net = softmaxRegression();
  await train(net, {
    trainSet: new Dataset(few, set.classNames),
    testSet: new Dataset(few, set.classNames),
    optimizer: sgd({ learningRate: 0.1 }),
    batchSize: 16,
    epochs: 1,
    ...options,
  });
  return net;
}

async function weightsOf(net: Sequential): Promise<Float64Array> {
  const all = await Promise.all(net.parameters().map((parameter) => parameter.data()));
  return Float64Array.from(all.flatMap((one) => [...one]));
}

async function bits(net: Sequential): Promise<string> {
  return createHash("sha256")
    .update(await encodeWeights(net))
    .digest("hex");
}

function distance(a: Float64Array, b: Float64Array): number {
  const norm = (x: Float64Array): number => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));
  return norm(a.map((value, k) => value - b[k]!)) / norm(b);
}

for (const [name, device] of await testDevices()) {
  describe(`regularization on ${name}`, () => {
    test("label smoothing is cross-entropy with a smoothed target, as are its gradients", async () => {
      useDevice(device);
      const [n, classes, smoothing] = [3, 5, 0.2];
      const values = Float32Array.from({ length: n * classes }, (_, k) => ((k * 7) % 11) / 3 - 1);
      const labels = [4, 0, 2];
      const logits = variable(tensor(values, [n, classes]), { requiresGrad: true });
      const loss = crossEntropy(logits, tensor(Int32Array.from(labels)), { labelSmoothing: smoothing });
      backward(loss);
      let expected = 0;
      const gradient = new Float64Array(n * classes);
      for (let i = 0; i < n; i++) {
        const row = [...values.subarray(i * classes, (i + 1) * classes)];
        const sum = row.reduce((total, value) => total + Math.exp(value), 0);
        row.forEach((value, k) => {
          const target = smoothing / classes + (k === labels[i] ? 1 - smoothing : 0);
          expected -= (target * (value - Math.log(sum))) / n;
          gradient[i * classes + k] = (Math.exp(value) / sum - target) / n;
        });
      }
      expect(await loss.item()).toBeCloseTo(expected, 5);
      expect(distance(Float64Array.from(await logits.grad!.data()), gradient)).toBeLessThan(1e-5);
    });

    test("a moving average is what is tested and left, and training goes on from the weights", async () => {
      useDevice(device);
      const plain = await trained({});
      const decay = 0.8;
      // Weights before each step of a run without it: what each average is made of.
      const before: Float64Array[] = [];
      const onStep: TrainOptions["onStep"] = async ({ net }) => {
        before.push(await weightsOf(net as Sequential));
      };
      await trained({ epochs: 2, onStep });
      const made = [...before.slice(1), await weightsOf(await trained({ epochs: 2 }))];
      const average = (count: number): Float64Array =>
        made
          .slice(1, count)
          .reduce((mean, now) => mean.map((value, k) => value + (1 - decay) * (now[k]! - value)), made[0]!);
      const tested: Float64Array[] = [];
      let net: Sequential | undefined;
      const averaged = await trained({
        epochs: 2,
        emaDecay: decay,
        onStep: (event) => {
          net = event.net as Sequential;
        },
        onEpoch: async () => {
          tested.push(await weightsOf(net!));
        },
      });
      expect(made.length).toBe(12);
      expect(tested.map((one, k) => distance(one, average(6 * (k + 1))) < 1e-6)).toEqual([true, true]);
      expect(distance(await weightsOf(averaged), average(12))).toBeLessThan(1e-6);
      expect(distance(average(6), await weightsOf(plain))).toBeGreaterThan(1e-3);
    });

    test.each<Partial<TrainOptions>>([{ mixup: 0.4 }, { labelSmoothing: 0.1 }, { emaDecay: 0.9 }])(
      "%o changes the weights, and the same way each time",
      async (options) => {
        useDevice(device);
        const once = await bits(await trained(options));
        expect(await bits(await trained(options))).toBe(once);
        expect(await bits(await trained({}))).not.toBe(once);
      },
    );

    test("mixup of alpha 1e-6 is hardly any: each batch has all of its own images, or all of its partners'", async () => {
      useDevice(device);
      // With the whole set as one batch, turning it round changes nothing but the order of the sum.
      const whole = { batchSize: 96, epochs: 4 };
      const mixed = await weightsOf(await trained({ ...whole, mixup: 1e-6 }));
      expect(distance(mixed, await weightsOf(await trained(whole)))).toBeLessThan(1e-5);
      const half = await weightsOf(await trained({ ...whole, mixup: 1 }));
      expect(distance(half, await weightsOf(await trained(whole)))).toBeGreaterThan(1e-3);
    });

    test("augmentation of a data set is seen by its batches, in [0, 1], before they are normalized", async () => {
      useDevice(device);
      const numbers = Int32Array.from({ length: 8 }, (_, k) => k);
      const normalization = { mean: 0.25, std: 0.5 };
      const plain = await new Dataset(few, set.classNames).batch(numbers).x.data();
      let most = 0;
      const options = {
        normalization,
        augment: (images: Parameters<NonNullable<ReturnType<typeof augmentationOf>>>[0]) => {
          most = images.shape[2]!;
          return augmentationOf(["flip:1"])!(images);
        },
        size: 28,
      };
      const out = await new Dataset(few, set.classNames, options).batch(numbers).x.data();
      expect(most).toBe(28);
      const mirrored = plain.map((_, k) => (plain[k - (k % 28) + 27 - (k % 28)]! - 0.25) / 0.5);
      expect(distance(Float64Array.from(out), Float64Array.from(mirrored))).toBeLessThan(1e-6);
    });

    test("every augmentation that can be named changes images, and leaves their shape", async () => {
      useDevice(device);
      for (const word of augmentationNames) {
        manualSeed(1);
        const images = rand([16, 1, 9, 9]);
        const out = augmentationOf([word])!(images);
        expect(out.shape).toEqual(images.shape);
        expect(Buffer.from((await out.data()).buffer).equals(Buffer.from((await images.data()).buffer))).toBe(
          false,
        );
      }
    });
  });
}

test("mixup's shares have the mean and the deviation of Beta(alpha, alpha), and depend on seed and step", () => {
  for (const alpha of [0.2, 1]) {
    const shares = Float64Array.from({ length: 20_000 }, (_, step) => mixupShare(alpha, 7, step));
    const mean = shares.reduce((sum, one) => sum + one, 0) / shares.length;
    const variance = shares.reduce((sum, one) => sum + (one - mean) ** 2, 0) / shares.length;
    expect(mean).toBeCloseTo(0.5, 1.7);
    expect(variance * 4 * (2 * alpha + 1)).toBeCloseTo(1, 1.3);
  }
  expect(mixupShare(0.3, 1, 2)).toBe(mixupShare(0.3, 1, 2));
  expect(mixupShare(0.3, 1, 2)).not.toBe(mixupShare(0.3, 2, 2));
});

test("amounts out of range are refused in words", async () => {
  expect(() => mixupShare(0, 0, 0)).toThrow("mixup is 0; give an alpha above 0 and at most 1");
  expect(() => mixupShare(2, 0, 0)).toThrow("mixup is 2");
  await expect(trained({ emaDecay: 1 })).rejects.toThrow("emaDecay is 1; give a number between 0 and 1");
  await expect(trained({ labelSmoothing: 1.5 })).rejects.toThrow(
    "labelSmoothing is 1.5; give a share from 0 to 1",
  );
  expect(() => augmentationOf(["twirl"])).toThrow(
    'there is no augmentation named "twirl"; choose one of crop, flip, rotate, scale, erase',
  );
  expect(() => augmentationOf(["crop:much"])).toThrow(
    'augmentation "crop:much": give a number after the colon',
  );
  expect(() => augmentationOf(["flip:2"])).toThrow("p is 2; give a probability from 0 to 1");
  expect(augmentationOf([])).toBeUndefined();
});
