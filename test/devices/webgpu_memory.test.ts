import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DeviceLostError, OutOfMemoryError, type UserError } from "../../src/core/errors.js";
import { call, constant } from "../../src/core/expression.js";
import { Dataset } from "../../src/data/dataset.js";
import { loadImageSet } from "../../src/data/fashion_mnist.js";
import type { Device } from "../../src/devices/device.js";
import { requestAdapter } from "../../src/devices/webgpu/adapter.js";
import { nodeGpu } from "../../src/devices/webgpu/node.js";
import { openWebgpu, type WebgpuDevice } from "../../src/devices/webgpu/webgpu.js";
import * as nn from "../../src/nn/index.js";
import { manualSeed } from "../../src/ops/random.js";
import { sgd } from "../../src/optim/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { type TrainOptions, train } from "../../src/train/train.js";
import { firstImages } from "../support/few_images.js";
import { at, floats, out, planOf, pointwise, restartNumbers, step, x } from "../support/steps.js";
import { adapter, openGpu } from "../support/webgpu.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const { train: images, classNames } = await loadImageSet({ name: "fashion-mnist", sample: true });

let directory: string;
beforeEach(async () => {
  restartNumbers();
  directory = await mkdtemp(join(tmpdir(), "flybrick-memory-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** A GPU of its own, to be lost. */
async function ownGpu(): Promise<GPUDevice> {
  return (await requestAdapter(await nodeGpu())).requestDevice();
}

/** Makes a GPU refuse all further buffers, as one does that has no memory left. */
function exhaust(gpu: GPUDevice): void {
  gpu.popErrorScope = async () => ({ message: "injected" });
}

/** Two epochs, of three steps of which the last has 8 examples if left out: metrics, and weights of all that was trained. */
async function run(
  device: Device,
  options: Partial<TrainOptions> = {},
  { batchNorm = false, examples = 40 } = {},
): Promise<number[]> {
  useDevice(device);
  manualSeed(3);
  const net = nn.sequential(
    [1, 28, 28],
    ...(batchNorm ? [nn.batchNorm2d(1)] : []),
    nn.flatten(),
    nn.linear(784, 12),
    nn.relu(),
    nn.dropout(),
    nn.linear(12, 10),
  );
  const set = new Dataset(firstImages(images, examples), classNames);
  const { epochs } = await train(net, {
    trainSet: set,
    testSet: set,
    optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
    batchSize: 16,
    epochs: 2,
    ...options,
  });
  const values = epochs.flatMap(({ loss, trainAccuracy, testLoss }) => [loss, trainAccuracy, testLoss]);
  for (const parameter of net.parameters()) values.push(...(await parameter.data()));
  return values;
}

let whole: Promise<number[]> | undefined;

/** What `run` gives on a GPU of usual size. */
function uninterrupted(): Promise<number[]> {
  whole ??= openGpu().then((device) => run(device));
  return whole;
}

function furthest(a: readonly number[], b: readonly number[]): number {
  expect(a.length).toBe(b.length);
  return a.reduce((worst, value, k) => Math.max(worst, Math.abs(value - b[k]!)), 0);
}

describe.skipIf(!adapter)("memory of the webgpu device", { timeout: 120_000 }, () => {
  test("a value larger than a GPU buffer lies in several", async () => {
    const device = await openGpu({ bufferBytes: 4096 });
    const bytes = Uint8Array.from({ length: 10_003 }, (_, i) => i % 251);
    const buffer = device.allocate(bytes.length);
    const before = device.counts.buffers;
    device.write(buffer, 0, bytes);
    expect(Buffer.compare(await device.read(buffer, 0, bytes.length), bytes)).toBe(0);
    expect([...(await device.read(buffer, 4093, 6))]).toEqual([...bytes.subarray(4093, 4099)]);
    device.write(buffer, 4092, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    expect([...(await device.read(buffer, 4090, 12))]).toEqual([
      ...bytes.subarray(4090, 4092),
      ...[1, 2, 3, 4, 5, 6, 7, 8],
      ...bytes.subarray(4100, 4102),
    ]);
    device.free(buffer);
    await device.read(device.allocate(8), 0, 8);
    expect(device.counts.buffers).toBeLessThan(before + 4);
  });

  test("training is the same where parameters, images and the arena take several buffers each", async () => {
    // The images have 31,360 bytes, the first weights 37,632.
    const parts = await run(await openGpu({ bufferBytes: 28_672 }));
    expect(furthest(parts, await uninterrupted())).toBe(0);
  });

  test("a tensor in more pieces than can be bound is named, with its bytes, the limit and what helps", async () => {
    const device = await openGpu({ bufferBytes: 4096 });
    await expect(run(device)).rejects.toThrow(
      /needs \d+ storage buffers.*f32\[12, 784\] has 37632 bytes and lies in \d+ of them, of at most 4096 bytes each \(maxBufferSize.*narrower layer/,
    );
    // What could not be prepared does not come with later work.
    await run(await openGpu(), { epochs: 1 });
  });

  test("a run that finds no memory is rejected, changes nothing, and the device goes on", async () => {
    const device = await openGpu({ memoryBytes: 3 * 2 ** 20 });
    const plus = step(
      pointwise,
      [70_000],
      [],
      out(0, [70_000], undefined, call("add", x(0), constant(1, "f32"))),
      [at(0, "f32", [70_000])],
    );
    const plan = planOf([floats(70_000)], [plus]);
    const large = { ...plan, arenaBytes: 4 * 2 ** 20 };
    const buffer = device.allocate(280_000);
    const binding = [{ buffer, byteOffset: 0 }];
    const refused = device.run(device.prepare(large), binding, []);
    const taken = device.run(device.prepare(plan), binding, []);
    await expect(refused).rejects.toThrow(OutOfMemoryError);
    await expect(refused).rejects.toThrow(/no memory for 4194304 bytes beside the \d+ in use/);
    await taken;
    expect([...new Float32Array((await device.read(buffer, 0, 8)).buffer)]).toEqual([1, 1]);
    const missing = device.allocate(4 * 2 ** 20);
    device.write(missing, 0, new Uint8Array(8));
    await expect(device.read(missing, 0, 8)).rejects.toThrow(OutOfMemoryError);
    device.free(missing);
    expect(device.counts.bytes).toBeLessThan(3 * 2 ** 20);
  });

  test("what the GPU itself says of missing memory is heard", async () => {
    const gpu = await ownGpu();
    const device = openWebgpu(gpu);
    await device.read(device.allocate(8), 0, 8);
    exhaust(gpu);
    await expect(device.read(device.allocate(100_000), 0, 8)).rejects.toThrow(/no memory.*injected/);
  });
});

describe.skipIf(!adapter)("training on a GPU", { timeout: 120_000 }, () => {
  test("with too little memory takes micro-batches, to the same result", async () => {
    const warnings: string[] = [];
    const onWarning = (message: string): void => void warnings.push(message);
    const roomy = await openGpu();
    // The arena is most of the memory.
    const examples = 200;
    const whole = await run(roomy, { batchSize: examples }, { examples });
    const memoryBytes = roomy.counts.bytes - 300_000;
    const device = await openGpu({ memoryBytes });
    const parts = await run(device, { batchSize: examples, onWarning }, { examples });
    expect(warnings.join("\n")).toMatch(/no memory for \d+ bytes.*Going on with micro-batches of \d+$/);
    expect(furthest(parts, whole)).toBeLessThan(1e-5);
    expect(device.counts.bytes).toBeLessThanOrEqual(memoryBytes);
  });

  test("with too little memory for a layer that needs its whole batch says so", async () => {
    const device = await openGpu({ memoryBytes: 3.2e6 });
    await expect(run(device, {}, { batchNorm: true })).rejects.toThrow(
      /^training ended at step 1: .*no memory.*BatchNorm2d normalizes by its whole batch/,
    );
  });

  const failures: [what: string, end: (gpu: GPUDevice) => void, kind: typeof UserError, words: RegExp][] = [
    ["is lost", (gpu) => gpu.destroy(), DeviceLostError, /the GPU was lost/],
    ["has no memory left", exhaust, OutOfMemoryError, /no memory for \d+ bytes/],
  ];
  test.each(failures)(
    "that %s in mid-training ends with a sentence, and goes on from the checkpoint it names",
    async (_, end, kind, words) => {
      const gpu = await ownGpu();
      const checkpoint = { directory, every: { steps: 2 } };
      const failure = await run(openWebgpu(gpu), {
        checkpoint,
        // The third step is the first of its size: its plan takes memory of its own.
        onStep: ({ step }) => {
          if (step === 3) end(gpu);
        },
      }).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(kind);
      const { message } = failure as Error;
      expect(message).toMatch(words);
      expect(message).toMatch(
        /^training ended at step 3: .*The newest checkpoint is .*step-000000002\.safetensors, of step 2: train with resume/,
      );
      const resumed = await run(await openGpu(), { checkpoint: { ...checkpoint, resume: true } });
      expect(furthest(resumed, await uninterrupted())).toBe(0);
    },
  );

  test("without checkpoints says that there are none", async () => {
    const gpu = await ownGpu();
    await expect(
      run(openWebgpu(gpu), { onStep: ({ step }) => (step === 2 ? gpu.destroy() : undefined) }),
    ).rejects.toThrow(
      /^training ended at step 2: the GPU was lost .*This run keeps no checkpoints: train anew$/,
    );
  });

  test("leaves as many buffers and bytes after 500 steps with metrics as after 100", async () => {
    const device = await openGpu();
    const counts: WebgpuDevice["counts"][] = [];
    const set = new Dataset(firstImages(images, 1000), classNames);
    const steps = await train(nn.sequential([1, 28, 28], nn.flatten(), nn.linear(784, 10)), {
      trainSet: set,
      testSet: new Dataset(firstImages(images, 2), classNames),
      optimizer: sgd({ learningRate: 0.01, momentum: 0.9 }),
      batchSize: 2,
      epochs: 1,
      device,
      onStep: async ({ step }) => {
        if (step !== 100 && step !== 500) return;
        for (let i = 0; i < 3; i++) {
          collectGarbage();
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        counts.push(device.counts);
      },
    }).then((result) => result.steps);
    expect(steps).toBe(500);
    const [after100, after500] = counts as [WebgpuDevice["counts"], WebgpuDevice["counts"]];
    expect(after500.buffers).toBeLessThanOrEqual(after100.buffers);
    expect(after500.bytes).toBeLessThanOrEqual(after100.bytes);
    // A step, and now and then the figures of its progress and its checkpoint.
    expect(after500.submits - after100.submits).toBeLessThan(430);
  });
});
