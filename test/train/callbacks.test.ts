import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Dataset } from "../../src/data/dataset.js";
import { loadImageSet } from "../../src/data/fashion_mnist.js";
import { softmaxRegression } from "../../src/models/mlp.js";
import { manualSeed } from "../../src/ops/random.js";
import { sgd } from "../../src/optim/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import type { TrainCallbacks } from "../../src/train/callbacks.js";
import { type TrainOptions, train } from "../../src/train/train.js";
import { encodeWeights } from "../../src/train/weights.js";
import { testDevices } from "../support/test_devices.js";

const { train: images, classNames } = await loadImageSet({ name: "fashion-mnist", sample: true });
const few = {
  ...images,
  count: 100,
  images: images.images.slice(0, 78400),
  labels: images.labels.slice(0, 100),
};

/** Two epochs of three steps; a checksum of the weights. */
async function run(options: Partial<TrainOptions> = {}): Promise<string> {
  manualSeed(1);
  const net = softmaxRegression();
  const set = new Dataset(few, classNames);
  const optimizer = sgd({ learningRate: 0.1, momentum: 0.9 });
  await train(net, { trainSet: set, testSet: set, optimizer, batchSize: 40, epochs: 2, ...options });
  return createHash("sha256")
    .update(await encodeWeights(net))
    .digest("hex");
}

/** Notes every event, in words. */
function listener(heard: string[], name = ""): Required<Omit<TrainCallbacks, "onWarning">> {
  const note = (text: string) => (): void => {
    heard.push(name + text);
  };
  return {
    onResume: ({ path, steps, epochs }) => note(`resume ${path} ${steps} ${epochs.length}`)(),
    onStep: ({ epoch, step, steps, learningRate }) =>
      note(`step ${epoch}.${step}/${steps} ${learningRate}`)(),
    onProgress: ({ epoch, step }) => note(`progress ${epoch}.${step}`)(),
    onEpoch: ({ epoch }) => note(`epoch ${epoch}`)(),
    onCheckpoint: ({ epoch, steps }) => note(`checkpoint ${epoch}.${steps}`)(),
  };
}

for (const [name, device] of await testDevices())
  describe(`callbacks on ${name}`, () => {
    test("are called in order, the options' own before the others", async () => {
      useDevice(device);
      const directory = await mkdtemp(join(tmpdir(), "flybrick-callbacks-"));
      const heard: string[] = [];
      const checkpoint = { directory, resume: true };
      await run({ checkpoint, ...listener(heard, "own "), callbacks: [listener(heard), {}] });
      await rm(directory, { recursive: true });
      const events = [
        "resume null 0 0",
        ...[1, 2].flatMap((epoch) => [
          ...[1, 2, 3].flatMap((step) => [`step ${epoch}.${step}/3 0.1`, `progress ${epoch}.${step}`]),
          `epoch ${epoch}`,
          `checkpoint ${epoch}.${3 * epoch}`,
        ]),
      ];
      expect(heard).toEqual(events.flatMap((event) => [`own ${event}`, event]));
    });

    test("may read the loss and the gradients of a step, which changes no bit", async () => {
      useDevice(device);
      const losses: number[] = [];
      const norms: number[] = [];
      const read = await run({
        onStep: async ({ loss, net }) => {
          losses.push(await loss.item());
          const gradients = await Promise.all(net.parameters().map(({ grad }) => grad!.data()));
          norms.push(Math.hypot(...gradients.map((one) => Math.hypot(...one))));
        },
      });
      expect(read).toBe(await run());
      expect(losses).toHaveLength(6);
      expect(losses[5]).toBeLessThan(losses[0]!);
      expect(norms.every((norm) => norm > 0 && Number.isFinite(norm))).toBe(true);
    });

    test("that fail end the training with their error", async () => {
      useDevice(device);
      const failing = { onEpoch: () => Promise.reject(new Error("mine")) };
      await expect(run({ callbacks: [failing] })).rejects.toThrow("mine");
    });
  });
