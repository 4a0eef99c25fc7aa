import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../src/core/errors.js";
import { compose, randomCrop, randomErasing } from "../../src/data/augment.js";
import { Dataset } from "../../src/data/dataset.js";
import { loadImageSet } from "../../src/data/fashion_mnist.js";
import * as nn from "../../src/nn/index.js";
import { manualSeed, randomState } from "../../src/ops/random.js";
import { adamw, type OptimizerRecipe, reduceLrOnPlateau, sgd, warmupCosine } from "../../src/optim/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import type { EpochResult } from "../../src/train/callbacks.js";
import { CheckpointStore, decodeCheckpoint, scheduleDigest } from "../../src/train/checkpoint.js";
import { type TrainOptions, train } from "../../src/train/train.js";
import { DivergedError, type TrainResult } from "../../src/train/training_loop.js";
import { encodeWeights } from "../../src/train/weights.js";
import { loadWeights } from "../../src/train/weights_file.js";
import { checkpointBytes } from "../support/checkpoint_bytes.js";
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

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flybrick-checkpoint-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Everything a run is compared by: weights, random numbers, metrics without times. */
interface Outcome {
  result: TrainResult;
  bits: string;
  metrics: Pick<EpochResult, "loss" | "trainAccuracy" | "testLoss" | "testAccuracy" | "learningRate">[];
}

function usual(width = 16): nn.Sequential {
  // Biases are drawn where a network is made.
  manualSeed(99);
  return nn.sequential(
    [1, 28, 28],
    nn.flatten(),
    nn.linear(784, width),
    nn.relu(),
    nn.dropout(),
    nn.linear(width, 10),
  );
}
/** All that draws or keeps more than weights and optimizer do. */
const varied = (): Partial<TrainOptions> => ({
  trainSet: new Dataset(take(200, images), classNames, {
    augment: compose(randomCrop({ padding: 1 }), randomErasing()),
  }),
  emaDecay: 0.9,
  mixup: 0.3,
});

const momentum = sgd({ learningRate: 0.05, momentum: 0.9, nesterov: true, weightDecay: 1e-3 });

async function checksum(net: nn.Sequential): Promise<string> {
  return createHash("sha256")
    .update(await encodeWeights(net))
    .digest("hex");
}

/** Three epochs of seven steps, the last of which is smaller. */
async function run(options: Partial<TrainOptions> & { net?: nn.Sequential } = {}): Promise<Outcome> {
  const net = options.net ?? usual();
  const result = await train(net, {
    trainSet: new Dataset(take(200, images), classNames),
    testSet: new Dataset(take(50, testImages), classNames),
    optimizer: momentum,
    schedule: warmupCosine({ warmupSteps: 5 }),
    clipGradNorm: 1,
    batchSize: 32,
    epochs: 3,
    seed: 5,
    ...options,
  });
  const metrics = result.epochs.map(({ loss, trainAccuracy, testLoss, testAccuracy, learningRate }) => ({
    loss,
    trainAccuracy,
    testLoss,
    testAccuracy,
    learningRate,
  }));
  return { result, bits: `${await checksum(net)} ${randomState().draw}`, metrics };
}

/** Runs until `stopAt` steps of the whole run were begun. */
function interrupted(stopAt: number, options: Parameters<typeof run>[0] = {}): Promise<Outcome> {
  const controller = new AbortController();
  let steps = 0;
  return run({
    ...options,
    signal: controller.signal,
    onStep: () => {
      if (++steps === stopAt) controller.abort();
    },
  });
}

/** Leaves a run's checkpoints at steps 14 to 20 as a process does that is killed in step 21. */
async function killed(keep: number): Promise<string[]> {
  const kill = new Error("killed");
  const checkpoint = { directory, every: { steps: 1 }, keep };
  let steps = 0;
  const onStep = (): void => {
    if (++steps === 21) throw kill;
  };
  await expect(run({ checkpoint, onStep })).rejects.toBe(kill);
  return (await readdir(directory)).sort();
}

const devices = await testDevices();
for (const [name, device] of devices) {
  describe(`resuming on ${name}`, () => {
    test.each<[string, OptimizerRecipe, (() => Partial<TrainOptions>)?]>([
      ["SGD with momentum", momentum],
      ["AdamW", adamw({ learningRate: 0.01 })],
      ["plain SGD", sgd({ learningRate: 0.1 })],
      ["with averaged weights, augmentation and mixup", momentum, varied],
    ])("%s: stopped after any step, it ends with the same bits", async (_, optimizer, more) => {
      useDevice(device);
      const extra = more?.() ?? {};
      const whole = await run({ optimizer, ...extra });
      const stops = name === "cpu" ? Array.from({ length: 20 }, (_, k) => k + 1) : [7, 11];
      for (const stop of stops) {
        const checkpoint = { directory: join(directory, `${stop}`), resume: true };
        const first = await interrupted(stop, { optimizer, checkpoint, ...extra });
        expect(first.result).toMatchObject({ stopped: true, steps: stop });
        const resumed: number[] = [];
        const second = await run({
          optimizer,
          checkpoint,
          ...extra,
          onResume: ({ steps }) => {
            resumed.push(steps);
          },
        });
        expect(resumed).toEqual([stop]);
        expect(second.bits, `stopped after step ${stop}`).toBe(whole.bits);
        expect(second.metrics).toEqual(whole.metrics);
        expect(second.result.steps).toBe(21);
      }
    });

    test("checkpoints change no bit, and a resume may itself be interrupted", async () => {
      useDevice(device);
      const whole = await run();
      const checkpoint = { directory, every: { steps: 2 }, resume: true };
      expect((await run({ checkpoint: { ...checkpoint, directory: join(directory, "whole") } })).bits).toBe(
        whole.bits,
      );
      for (const steps of [3, 2, 6, 1, 4]) await interrupted(steps, { checkpoint });
      expect((await run({ checkpoint })).bits).toBe(whole.bits);
    });

    test("a run that diverges after a checkpoint keeps the same last good weights", async () => {
      useDevice(device);
      // Step 9 (counted from 0) throws the weights away, step 10 finds out.
      const schedule = () => (step: number) => (step === 9 ? 1e38 : 1);
      const weights = async (options: Partial<TrainOptions>): Promise<string> => {
        const net = usual();
        await expect(run({ ...options, schedule, net })).rejects.toThrow(DivergedError);
        return checksum(net);
      };
      const whole = await weights({});
      expect((await interrupted(10, { schedule, checkpoint: { directory } })).result.steps).toBe(10);
      expect(await weights({ checkpoint: { directory, resume: true } })).toBe(whole);
    });
  });
}

describe("checkpoints", () => {
  beforeEach(() => useDevice(devices.at(-1)![1]));

  test("begin anew where there is none, and do nothing where the run is finished", async () => {
    const checkpoint = { directory: join(directory, "new", "one"), resume: true };
    const whole = await run({ checkpoint });
    const events: unknown[] = [];
    const again = await run({
      checkpoint,
      onResume: ({ finished, steps }) => {
        events.push([finished, steps]);
      },
      onStep: () => {
        throw new Error("a finished run took a step");
      },
    });
    expect(events).toEqual([[true, 21]]);
    expect(again.bits).toBe(whole.bits);
    expect(again.result).toEqual(whole.result);
  });

  test("come every so many steps and at each epoch's end; the last ones and the best are kept", async () => {
    const steps: number[] = [];
    const { result } = await run({
      checkpoint: { directory, every: { steps: 3 }, keep: 2 },
      onCheckpoint: (event) => {
        steps.push(event.steps);
      },
    });
    expect(steps).toEqual([3, 6, 7, 9, 12, 14, 15, 18, 21]);
    const accuracies = result.epochs.map(({ testAccuracy }) => testAccuracy);
    const best = 7 * (1 + accuracies.indexOf(Math.max(...accuracies)));
    const kept = (await readdir(directory)).map((name) =>
      Number(/^step-(\d{9})\.safetensors$/.exec(name)![1]),
    );
    expect(kept.sort((a, b) => a - b)).toEqual([...new Set([best, 18, 21])].sort((a, b) => a - b));
  });

  test("know of early stopping: a run that ended early is finished", async () => {
    // Too small a rate to change any answer.
    const options = { optimizer: sgd({ learningRate: 1e-30 }), earlyStopping: 1 };
    const checkpoint = { directory, resume: true };
    const { result } = await run({ ...options, checkpoint });
    expect([result.epochs.length, result.stopped]).toEqual([2, false]);
    const again = await run({
      ...options,
      checkpoint,
      onStep: () => {
        throw new Error("a finished run took a step");
      },
    });
    expect(again.result).toEqual(result);
    await expect(run({ earlyStopping: 0 })).rejects.toThrow(
      "earlyStopping is 0; give a whole number of epochs",
    );
  });

  test("know of plateaus, which are told by the epochs alone", async () => {
    // No loss is a tenth better than the one before, so the rate falls after every epoch but the first.
    const schedule = () => reduceLrOnPlateau({ factor: 0.5, patience: 0, threshold: 0.1 });
    const options = { schedule, optimizer: sgd({ learningRate: 0.01 }) };
    const whole = await run(options);
    const rates = whole.metrics.map(({ learningRate }) => learningRate);
    expect(rates).toEqual([0.01, 0.01, 0.005]);
    const checkpoint = { directory, resume: true };
    for (const steps of [14, 3]) await interrupted(steps, { ...options, checkpoint });
    const resumed = await run({ ...options, checkpoint });
    expect(resumed.bits).toBe(whole.bits);
    expect(resumed.metrics).toEqual(whole.metrics);
  });

  test("come by the clock, too", async () => {
    let count = 0;
    await run({
      checkpoint: { directory, every: { seconds: 1e-9 } },
      onCheckpoint: () => {
        count++;
      },
    });
    expect(count).toBe(21);
  });

  test("are safetensors that hold their state", async () => {
    await interrupted(9, { checkpoint: { directory } });
    const [last] = (await readdir(directory)).sort().reverse();
    const { state, tensors } = decodeCheckpoint(await readFile(join(directory, last!)), "it");
    expect(last).toBe("step-000000009.safetensors");
    expect(state).toMatchObject({ steps: 9, finished: false, examples: 64, random: { seed: 5 } });
    expect(state.epochs).toHaveLength(1);
    expect([...tensors.keys()].sort()).toEqual(
      ["0.momentum", "1.momentum", "2.momentum", "3.momentum"]
        .map((key) => `optimizer.${key}`)
        .concat(
          ["1.weight", "1.bias", "4.weight", "4.bias"].flatMap((key) => [`state.${key}`, `good.${key}`]),
        )
        .concat(["metrics.loss", "metrics.hits"])
        .sort(),
    );
  });

  test.each<[string, (path: string) => Promise<void>]>([
    ["cut short", (path) => truncate(path, 1000)],
    ["empty", (path) => truncate(path, 0)],
    [
      "of one wrong bit",
      async (path) => {
        const bytes = await readFile(path);
        bytes[bytes.length >> 1]! ^= 1;
        await writeFile(path, bytes);
      },
    ],
  ])("a damaged one (%s) gives way to the one before it, with a warning that names it", async (_, damage) => {
    const whole = await run();
    const names = await killed(3);
    expect(names.map((name) => Number(name.slice(5, 14)))).toEqual(expect.arrayContaining([18, 19, 20]));
    const damaged = names.slice(-2).reverse();
    for (const name of damaged) await damage(join(directory, name));
    // What a killed process leaves half-written goes, too.
    await writeFile(join(directory, ".step-000000021.safetensors.0123456789ab.tmp"), "half");
    const warnings: string[] = [];
    const resumed: number[] = [];
    const second = await run({
      checkpoint: { directory, resume: true, keep: 1 },
      onWarning: (message) => {
        warnings.push(message);
      },
      onResume: ({ steps }) => {
        resumed.push(steps);
      },
    });
    expect(warnings).toHaveLength(2);
    for (const [k, name] of damaged.entries())
      expect(warnings[k]).toMatch(`${name} is damaged: its checksum does not fit`);
    expect(resumed).toEqual([18]);
    expect(second.bits).toBe(whole.bits);
    expect(second.metrics).toEqual(whole.metrics);
    const left = await readdir(directory);
    expect(left.filter((name) => name.endsWith(".tmp") || damaged.includes(name))).toEqual([]);
  });

  test("all damaged are an error, not a new start", async () => {
    const names = await killed(2);
    for (const name of names) await truncate(join(directory, name), 100);
    const warnings: string[] = [];
    const onWarning = (message: string): void => void warnings.push(message);
    const running = run({ checkpoint: { directory, resume: true }, onWarning });
    await expect(running).rejects.toThrow(`${directory} holds no sound checkpoint: delete it`);
    // There is none before the last.
    const told = warnings.map((message) => message.endsWith("Going on from the checkpoint before it."));
    expect(told).toEqual(names.map((_, k) => k + 1 < names.length));
  });

  test.each<[string, unknown]>([
    ["no settings", { settings: null }],
    ["settings that are none", { settings: { batchSize: [32] } }],
    ["epochs that are none", { epochs: [null] }],
    ["no word on whether it is finished", { finished: undefined }],
    ["no random state", { random: null }],
    ["no seconds", { trainSeconds: "1" }],
  ])("of a sound checksum and %s are refused in words", async (_, wrong) => {
    await interrupted(9, { checkpoint: { directory } });
    const names = await readdir(directory);
    for (const name of names) {
      const path = join(directory, name);
      const { tensors, state } = decodeCheckpoint(await readFile(path), path);
      await writeFile(path, checkpointBytes({ ...state, ...(wrong as object) }, tensors));
    }
    const running = run({ checkpoint: { directory, resume: true }, onWarning: () => {} });
    await expect(running).rejects.toThrow(`${directory} holds no sound checkpoint`);
    expect(await new CheckpointStore(directory).peek()).toBeUndefined();
  });

  test("that cannot be read are told of in words", async () => {
    const path = join(directory, "step-000000001.safetensors");
    await symlink(path, path);
    await expect(new CheckpointStore(directory).peek()).rejects.toThrow(UserError);
    await expect(new CheckpointStore(directory).peek()).rejects.toThrow(`${path} cannot be read, because`);
  });

  test.each([
    ["weights", {}, "state"],
    ["their averages", { emaDecay: 0.9 }, "average"],
  ])("are loaded as weights: %s", async (_, options, prefix) => {
    await interrupted(9, { checkpoint: { directory }, ...options });
    const path = join(directory, "step-000000009.safetensors");
    const net = usual();
    await loadWeights(net, path);
    const bytes = await readFile(path);
    const { tensors } = decodeCheckpoint(bytes, path);
    for (const [name, one] of net.namedState()) {
      const values = (await one.data()) as Float32Array;
      const { data } = tensors.get(`${prefix}.${name}`)!;
      expect(Buffer.compare(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), data)).toBe(
        0,
      );
    }
    bytes[bytes.length - 40]! ^= 1;
    await writeFile(path, bytes);
    await expect(loadWeights(net, path)).rejects.toThrow("is damaged: its checksum does not fit");
  });

  test("hold batch norm's statistics", async () => {
    const net = (): nn.Sequential => {
      manualSeed(3);
      return nn.sequential(
        [1, 28, 28],
        nn.conv2d(1, 2, { kernelSize: 5, stride: 4 }),
        nn.batchNorm2d(2),
        nn.relu(),
        nn.flatten(),
        nn.linear(72, 10),
      );
    };
    const whole = await run({ net: net() });
    const checkpoint = { directory, resume: true };
    for (const steps of [3, 6]) await interrupted(steps, { net: net(), checkpoint });
    const resumed = net();
    expect((await run({ net: resumed, checkpoint })).bits).toBe(whole.bits);
    expect(resumed.namedState().has("1.running_mean")).toBe(true);
  });

  test.each<[string, Parameters<typeof run>[0] & { wide?: true }, string]>([
    [
      "another batch size",
      { batchSize: 40 },
      "was written with batchSize 32, and now it is 40: go on with the same",
    ],
    ["another seed", { seed: 6 }, "was written with seed 5, and now it is 6"],
    ["other epochs", { epochs: 4 }, "was written with epochs 3, and now it is 4"],
    [
      "another learning rate",
      { optimizer: sgd({ learningRate: 1 }) },
      "with learningRate 0.05, and now it is 1",
    ],
    [
      "other data",
      { trainSet: new Dataset(take(199, images), classNames) },
      "with examples 200, and now it is 199",
    ],
    [
      "another optimizer",
      { optimizer: adamw({ learningRate: 0.05 }) },
      'with optimizer sgd {"momentum":0.9,"nesterov":true,"weightDecay":0.001}, and now it is adamw {"betas"',
    ],
    [
      "another momentum",
      { optimizer: sgd({ learningRate: 0.05, momentum: 0.8, nesterov: true, weightDecay: 1e-3 }) },
      'and now it is sgd {"momentum":0.8',
    ],
    ["another schedule", { schedule: warmupCosine({ warmupSteps: 6 }) }, "was written with scheduleDigest "],
    ["mixup", { mixup: 0.2 }, "with mixup off, and now it is 0.2"],
    ["averaged weights", { emaDecay: 0.9 }, "with emaDecay off, and now it is 0.9"],
    ["label smoothing", { labelSmoothing: 0.1 }, "with labelSmoothing 0, and now it is 0.1"],
    ["clipping at another norm", { clipGradNorm: 2 }, "with clipGradNorm 1, and now it is 2"],
    ["early stopping", { earlyStopping: 2 }, "with earlyStopping off, and now it is 2"],
    ["another network", { wide: true }, "its state.1.weight is F32 [16,784], not F32 [17,784]"],
  ])("%s is refused in words", async (_, { wide, ...changed }, message) => {
    await interrupted(2, { checkpoint: { directory } });
    const net = usual(wide ? 17 : 16);
    const running = run({ checkpoint: { directory, resume: true }, net, ...changed });
    await expect(running).rejects.toThrow(UserError);
    await expect(running).rejects.toThrow(message);
  });

  test("tell plateaus apart that patience or factor makes another", () => {
    const digest = (options: Parameters<typeof reduceLrOnPlateau>[0]): string =>
      scheduleDigest(reduceLrOnPlateau(options), 30, 2);
    const all = [{}, { patience: 5 }, { factor: 0.5 }, { threshold: 0.1 }].map(digest);
    expect(new Set(all).size).toBe(4);
    expect(digest({ patience: 10 })).toBe(all[0]);
  });

  test("of earlier versions, which name fewer settings, are gone on with", async () => {
    const whole = await run();
    await interrupted(9, { checkpoint: { directory } });
    const [name] = (await readdir(directory)).sort().reverse();
    const path = join(directory, name!);
    const { tensors, state } = decodeCheckpoint(await readFile(path), path);
    const { batchSize, epochs, seed, examples, learningRate } = state.settings;
    const settings = { batchSize, epochs, seed, examples, learningRate };
    await writeFile(path, checkpointBytes({ ...state, settings }, tensors));
    expect((await run({ checkpoint: { directory, resume: true } })).bits).toBe(whole.bits);
  });

  test("settings that make no sense are refused in words", async () => {
    await expect(run({ checkpoint: { directory, keep: 0 } })).rejects.toThrow(
      "checkpoints to keep: 0; give a whole",
    );
    await expect(run({ checkpoint: { directory, every: { steps: 0 } } })).rejects.toThrow(
      "checkpoint every 0; give",
    );
  });

  test("a place that cannot be written is an error that names it", async () => {
    await writeFile(join(directory, "file"), "");
    const running = run({ checkpoint: { directory: join(directory, "file", "here") } });
    await expect(running).rejects.toThrow(
      /here cannot be made, because a part of the path is not a directory/,
    );
  });
});
