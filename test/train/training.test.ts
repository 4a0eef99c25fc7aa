import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { Dataset } from "../../src/data/dataset.js";
import { loadImageSet } from "../../src/data/fashion_mnist.js";
import type { Device } from "../../src/devices/device.js";
import { type DeviceName, openDevice } from "../../src/devices/open.js";
import { lenet } from "../../src/models/lenet.js";
import { softmaxRegression } from "../../src/models/mlp.js";
import type * as nn from "../../src/nn/index.js";
import { manualSeed } from "../../src/ops/random.js";
import { sgd } from "../../src/optim/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import type { EpochResult } from "../../src/train/callbacks.js";
import { evaluate } from "../../src/train/evaluate.js";
import { train } from "../../src/train/train.js";
import { DivergedError } from "../../src/train/training_loop.js";
import { encodeWeights } from "../../src/train/weights.js";
import { smallAlexnet } from "../nn/networks.js";
import { testDevices } from "../support/test_devices.js";

const {
  train: trainImages,
  test: testImages,
  classNames,
} = await loadImageSet({ name: "fashion-mnist", sample: true });

function take(count: number, from: typeof trainImages): typeof trainImages {
  const size = from.height * from.width;
  return { ...from, count, images: from.images.slice(0, count * size), labels: from.labels.slice(0, count) };
}

/** Checksum of the weights after an epoch. */
async function weightsAfter(
  device: Device,
  make: () => nn.Sequential,
  size: number,
  options: { seed: number; count: number; batchSize: number },
): Promise<string> {
  useDevice(device);
  manualSeed(options.seed);
  const net = make();
  await train(net, {
    trainSet: new Dataset(take(options.count, trainImages), classNames, { size: size }),
    testSet: new Dataset(take(32, testImages), classNames, { size: size }),
    optimizer: sgd({ learningRate: 0.05, momentum: 0.9 }),
    batchSize: options.batchSize,
    epochs: 1,
    seed: options.seed,
  });
  return createHash("sha256")
    .update(await encodeWeights(net))
    .digest("hex");
}

const devices = await testDevices();
/** Devices with threads of their own. */
const threaded = devices.map(([name]) => name as DeviceName).filter((name) => name !== "reference");

for (const [name, device] of devices) {
  describe(`training on ${name}`, () => {
    test("softmax regression learns the sample", async () => {
      useDevice(device);
      const results: EpochResult[] = [];
      await train(softmaxRegression(), {
        trainSet: new Dataset(take(1500, trainImages), classNames),
        testSet: new Dataset(take(500, testImages), classNames),
        optimizer: sgd({ learningRate: 0.1 }),
        batchSize: 128,
        epochs: 2,
        onEpoch: (result) => {
          results.push(result);
        },
      });
      expect(results.map(({ epoch }) => epoch)).toEqual([1, 2]);
      expect(results[1]!.testAccuracy).toBeGreaterThan(0.6);
      expect(results[1]!.loss).toBeLessThan(results[0]!.loss);
    });

    test("a loss that is no number stops it, names the step and keeps the weights", async () => {
      useDevice(device);
      const net = softmaxRegression();
      const run = train(net, {
        trainSet: new Dataset(take(640, trainImages), classNames),
        testSet: new Dataset(take(32, testImages), classNames),
        optimizer: sgd({ learningRate: 1e38 }),
        batchSize: 64,
        epochs: 1,
      });
      const error = await run.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(DivergedError);
      expect((error as Error).message).toMatch(
        /the loss of step [1-9]\d* is not a finite number; the last weights that gave a finite one are kept/,
      );
      const { loss } = await evaluate(net, new Dataset(take(32, testImages), classNames));
      expect(loss).toBeLessThan(10);
    });

    test("a batch larger than the set is refused in words", async () => {
      useDevice(device);
      const run = train(softmaxRegression(), {
        trainSet: new Dataset(take(10, trainImages), classNames),
        testSet: new Dataset(take(10, testImages), classNames),
        optimizer: sgd({ learningRate: 0.1 }),
        batchSize: 11,
      });
      await expect(run).rejects.toThrow(
        "batch size 11 is larger than the data set of 10 examples; choose a smaller one",
      );
    });
  });
}

for (const name of threaded)
  describe(`determinism on ${name}`, () => {
    test.each([
      ["LeNet", lenet, 28, { seed: 3, count: 300, batchSize: 64 }],
      ["AlexNet with an eighth of the channels", smallAlexnet, 224, { seed: 3, count: 24, batchSize: 16 }],
    ] as const)(
      "%s: the same seed gives the same bits, with 1 and 2 threads; another seed others",
      async (_, make, size, options) => {
        const one = await openDevice(name, { threads: 1 });
        const two = await openDevice(name, { threads: 2 });
        const first = await weightsAfter(two, make, size, options);
        expect(await weightsAfter(two, make, size, options)).toBe(first);
        expect(await weightsAfter(one, make, size, options)).toBe(first);
        expect(await weightsAfter(two, make, size, { ...options, seed: 4 })).not.toBe(first);
      },
    );
  });

for (const name of threaded)
  describe(`the process while it trains on ${name}`, () => {
    test("a 1 ms timer keeps firing while a step runs", async () => {
      useDevice(await openDevice(name));
      const net = smallAlexnet();
      const set = new Dataset(take(256, trainImages), classNames, { size: 224 });
      const step = async (): Promise<number> => {
        const start = performance.now();
        await net.forward(set.batch(Int32Array.from({ length: 256 }, (_, i) => i)).x).data();
        return performance.now() - start;
      };
      await step();
      let ticks = 0;
      const timer = setInterval(() => ticks++, 1);
      let busy = 0;
      for (let i = 0; i < 5; i++) busy += await step();
      clearInterval(timer);
      // A blocked loop would tick about once a step; a free one every 1 to 2 ms, less what a busy machine takes.
      expect(busy).toBeGreaterThan(100);
      expect(ticks).toBeGreaterThan(busy / 20);
    });

    test("1,000 LeNet steps leave memory flat", async () => {
      const script = fileURLToPath(new URL("../support/memory_of_steps.ts", import.meta.url));
      const child = spawn(process.execPath, ["--import", "tsx", script, name], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      for await (const chunk of child.stdout) output += chunk;
      const { after600, after1600 } = JSON.parse(output) as { after600: number; after1600: number };
      expect(after1600 - after600).toBeLessThan(24 * 2 ** 20);
    });
  });
