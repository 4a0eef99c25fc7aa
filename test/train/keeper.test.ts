import { expect, test } from "vitest";
import { loadImageSet } from "../../src/data/fashion_mnist.js";
import { Dataset } from "../../src/data/index.js";
import * as nn from "../../src/nn/index.js";
import { manualSeed } from "../../src/ops/random.js";
import { adamw } from "../../src/optim/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { type CheckpointOptions, type TrainOptions, train } from "../../src/train/browser.js";
import type { StoredTensor } from "../../src/train/safetensors.js";
import type { Checkpoint, CheckpointKeeper } from "../../src/train/train_state.js";
import { encodeWeights } from "../../src/train/weights.js";
import { testDevices } from "../support/test_devices.js";

const set = await loadImageSet({ name: "fashion-mnist", sample: true });
const part = (images: typeof set.train, count: number) =>
  new Dataset({ ...images, count, images: images.images.slice(0, count * 784) }, set.classNames);

/** As a page keeps it: the newest checkpoint alone, those of even steps only. */
class Kept implements CheckpointKeeper {
  newestOne: (Checkpoint & { path: string }) | undefined;
  readonly asked: number[] = [];
  readonly scheduleDigest = (): string => "";

  async write(state: Checkpoint["state"], tensors: Parameters<CheckpointKeeper["write"]>[1]) {
    this.asked.push(state.steps);
    if (state.steps % 2 === 1) return undefined;
    const stored = new Map<string, StoredTensor>();
    for (const [name, one] of tensors) {
      const { buffer, byteOffset, byteLength } = await one.data();
      stored.set(name, {
        dtype: "F32",
        shape: one.shape,
        data: new Uint8Array(buffer, byteOffset, byteLength).slice(),
      });
    }
    this.newestOne = structuredClone({ path: `step ${state.steps}`, state, tensors: stored });
    return this.newestOne.path;
  }

  newest = async () => this.newestOne;
}

/** Two epochs of four steps. */
async function run(checkpoint?: CheckpointOptions, more: Partial<TrainOptions> = {}): Promise<string> {
  manualSeed(1);
  const net = nn.sequential([1, 28, 28], nn.flatten(), nn.linear(784, 10));
  await train(net, {
    ...{ trainSet: part(set.train, 128), testSet: part(set.test, 50), batchSize: 32, epochs: 2 },
    optimizer: adamw({ learningRate: 0.01 }),
    ...(checkpoint && { checkpoint }),
    ...more,
  });
  return `${await encodeWeights(net)}`;
}

test("a keeper is asked when a function says so, may decline, and training goes on from what it has", async () => {
  useDevice((await testDevices()).at(-1)![1]);
  const whole = await run();
  const keeper = new Kept();
  const written: number[] = [];
  const stop = new AbortController();
  const checkpoint = { keeper, every: (steps: number) => steps === 2 || steps === 3 };
  await run(checkpoint, {
    signal: stop.signal,
    onStep: ({ epoch, step }) => {
      if (epoch === 2 && step === 1) stop.abort();
    },
    onCheckpoint: ({ steps }) => {
      written.push(steps);
    },
  });
  expect(keeper.asked).toEqual([2, 3, 4, 5]);
  expect(written).toEqual([2, 4]);
  const resumed: number[] = [];
  const onResume = ({ steps }: { steps: number }): void => {
    resumed.push(steps);
  };
  expect(await run({ ...checkpoint, resume: true }, { onResume })).toBe(whole);
  expect(resumed).toEqual([4]);
});

test("progress is reported at multiples of so many steps", async () => {
  useDevice((await testDevices()).at(-1)![1]);
  const seen: number[] = [];
  await run(undefined, {
    batchSize: 10,
    epochs: 1,
    progressSteps: 4,
    onProgress: ({ step }) => {
      seen.push(step);
    },
  });
  // With the fifths of 13.
  expect(seen).toEqual([3, 4, 6, 8, 11, 12, 13]);
});
