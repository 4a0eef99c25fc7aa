import { spawnSync } from "node:child_process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { beforeEach, describe, expect, test } from "vitest";
import { call, constant } from "../../src/core/expression.js";
import type { Plan } from "../../src/core/plan.js";
import { Dataset } from "../../src/data/dataset.js";
import { loadImageSet } from "../../src/data/fashion_mnist.js";
import type { Device } from "../../src/devices/device.js";
import { devices, openDevice } from "../../src/devices/open.js";
import { openReference } from "../../src/devices/reference/reference.js";
import { requestAdapter } from "../../src/devices/webgpu/adapter.js";
import { nodeGpu } from "../../src/devices/webgpu/node.js";
import {
  convolutionVariants,
  pinnedVariants,
  productVariants,
  usualVariants,
} from "../../src/devices/webgpu/variants.js";
import { openWebgpu, type WebgpuDevice } from "../../src/devices/webgpu/webgpu.js";
import { alexnet } from "../../src/models/alexnet.js";
import { lenet } from "../../src/models/lenet.js";
import type { Sequential } from "../../src/nn/index.js";
import { zeros } from "../../src/ops/creation.js";
import { backward } from "../../src/ops/gradients.js";
import { mul } from "../../src/ops/pointwise.js";
import { manualSeed } from "../../src/ops/random.js";
import { sum } from "../../src/ops/reduce.js";
import { crossEntropy } from "../../src/ops/softmax.js";
import { sgd } from "../../src/optim/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { evaluate, tensor, variable } from "../../src/tensor/tensor.js";
import { train as trainModel } from "../../src/train/train.js";
import { firstImages } from "../support/few_images.js";
import { at, floats, out, planOf, pointwise, restartNumbers, step, x } from "../support/steps.js";
import { adapter, openGpu } from "../support/webgpu.js";

beforeEach(restartNumbers);

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const reference = openReference();
const usual = adapter && (await openGpu());

/** Trains on the sample; the loss of each step where `isRead`. */
async function train(
  net: Sequential,
  {
    steps,
    batchSize,
    size = 28,
    isRead = false,
    onStep,
  }: { steps: number; batchSize: number; size?: number; isRead?: boolean; onStep?: () => void },
): Promise<number[]> {
  const { train: images, classNames } = await loadImageSet({ name: "fashion-mnist", sample: true });
  const set = new Dataset(images, classNames, { size });
  const optimizer = sgd({ learningRate: 0.5 })(net.parameters());
  const kept = variable(zeros([]));
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    const { x: pixels, y } = set.batch(
      Int32Array.from({ length: batchSize }, (_, k) => (i * batchSize + k) % images.count),
    );
    const loss = crossEntropy(net.forward(pixels), y);
    backward(loss);
    if (isRead) kept.assign(loss.detach());
    await optimizer.step();
    if (isRead) losses.push(await kept.item());
    onStep?.();
  }
  return losses;
}

function fresh<N>(device: Device, net: () => N): N {
  useDevice(device);
  manualSeed(0);
  return net();
}

/** The plans of a network's training step, in a loop of one's own and in `train()` with its metrics, run nowhere. */
async function trainingPlans(
  net: () => Sequential,
  batchSize: number,
  size: number,
): Promise<{ loop: Plan; inTrain: Plan }> {
  const plans: Plan[] = [];
  const recorder: Device = {
    ...reference,
    traits: { channelsLast: false },
    allocate: (byteLength) => ({ byteLength }),
    write() {},
    read: async (_, __, byteLength) => new Uint8Array(byteLength),
    prepare(plan) {
      plans.push(plan);
      return { plan };
    },
    async run() {},
  };
  await train(fresh(recorder, net), { steps: 3, batchSize, size });
  const loop = plans.at(-1)!;
  plans.length = 0;
  const { train: images, classNames } = await loadImageSet({ name: "fashion-mnist", sample: true });
  const set = new Dataset(firstImages(images, batchSize), classNames, { size });
  await trainModel(fresh(recorder, net), {
    trainSet: set,
    testSet: set,
    optimizer: sgd({ learningRate: 0.5 }),
    batchSize,
    epochs: 1,
  });
  // Beside it there are first values, metrics and evaluation, which have no gradients.
  const inTrain = plans.reduce((most, plan) => (plan.steps.length > most.steps.length ? plan : most));
  return { loop, inTrain };
}

/** What the best GPUs offer; the null backend has the defaults only. */
const maximalLimits = {
  maxBufferSize: 2 ** 31,
  maxStorageBufferBindingSize: 2 ** 31 - 4,
  maxStorageBuffersPerShaderStage: 16,
  maxComputeWorkgroupStorageSize: 65_536,
  maxComputeWorkgroupsPerDimension: 65_535,
};

/** A GPU device over Dawn's null backend, which validates as any other and computes nothing, said to have `limits`. */
async function nullDevice(limits: Partial<GPUSupportedLimits> = {}): Promise<GPUDevice> {
  const { create } = await import("webgpu");
  const held = globalThis as { nullGpu?: GPU };
  held.nullGpu ??= create(["backend=null"]);
  const gpu = await (await held.nullGpu.requestAdapter())!.requestDevice();
  const said = new Proxy(gpu.limits, {
    get: (own, name) => limits[name as keyof GPUSupportedLimits] ?? Reflect.get(own, name, own),
  });
  return new Proxy(gpu, {
    get(own, name) {
      const value = name === "limits" ? said : Reflect.get(own, name, own);
      return typeof value === "function" ? value.bind(own) : value;
    },
  });
}

describe.skipIf(!adapter)("the webgpu device", { timeout: 120_000 }, () => {
  test("keeps the order of writes, runs and reads, awaited or not", async () => {
    const device = usual!;
    const here = at(0, "f32", [70_000]);
    const plus = step(
      pointwise,
      [70_000],
      [],
      out(0, [70_000], undefined, call("add", x(0), constant(1, "f32"))),
      [here],
    );
    const prepared = device.prepare(planOf([floats(70_000)], [plus]));
    const buffer = device.allocate(280_000);
    const binding = [{ buffer, byteOffset: 0 }];
    for (let i = 0; i < 30; i++) void device.run(prepared, binding, []);
    const host = new Uint8Array(new Float32Array([50]).buffer);
    device.write(buffer, 0, host);
    host.fill(0);
    void device.run(prepared, binding, []);
    const read = await device.read(buffer, 0, 8);
    expect([...new Float32Array(read.buffer)]).toEqual([51, 31]);
    device.free(buffer);
  });

  test("gives out zeroed memory, the second time too, and names sizes in its errors", async () => {
    const device = usual!;
    for (let i = 0; i < 2; i++) {
      const buffer = device.allocate(10);
      expect(await device.read(buffer, 0, 10)).toEqual(new Uint8Array(10));
      device.write(buffer, 4, Uint8Array.of(1, 2, 3, 4, 5, 6));
      expect([...(await device.read(buffer, 5, 5))]).toEqual([2, 3, 4, 5, 6]);
      expect(() => device.write(buffer, 2, Uint8Array.of(1))).toThrow(/1 bytes at 2 of a buffer of 10/);
      device.free(buffer);
    }
    expect(() => device.allocate(2 ** 45)).toThrow(/35184372088832 bytes/);
  });

  test("a GPU that is lost is an error that says what to do", async () => {
    const gpu = await (await requestAdapter(await nodeGpu())).requestDevice();
    const device = openWebgpu(gpu);
    const buffer = device.allocate(8);
    gpu.destroy();
    await gpu.lost;
    await expect(device.read(buffer, 0, 8)).rejects.toThrow(/GPU was lost.*last checkpoint/);
    expect(() => device.allocate(8)).toThrow(/GPU was lost/);
  });

  test("is taken by name only where it is software, and listed with limits and features", async () => {
    const [report] = await devices();
    expect(report).toMatchObject({
      name: "webgpu",
      available: true,
      isAutomatic: !adapter!.info.isFallbackAdapter,
    });
    expect(report!.details.join()).toMatch(/maxBufferSize \d+.*features: /);
    if (adapter!.info.isFallbackAdapter) expect((await openDevice("auto")).name).not.toBe("webgpu");
  });

  test("one submit a step; after 500, as much memory as after 100", async () => {
    const device = await openGpu();
    useDevice(device);
    const weight = variable(tensor([1, 2, 3, 4], [2, 2]));
    const steps = async (count: number): Promise<WebgpuDevice["counts"]> => {
      for (let i = 0; i < count; i++) {
        // Fresh batches and results, as a careless user leaves them.
        const batch = tensor(new Float32Array(25_000).fill(i), [12_500, 2]);
        weight.assign(mul(weight, 0.999));
        if (i === 0) await evaluate();
        const before = device.counts.submits;
        const result = sum(mul(batch, sum(weight)));
        await evaluate(result);
        expect(device.counts.submits - before).toBe(1);
        await result.data();
      }
      for (let i = 0; i < 3; i++) {
        collectGarbage();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return device.counts;
    };
    const after100 = await steps(100);
    const after500 = await steps(400);
    expect(after500.buffers).toBeLessThanOrEqual(after100.buffers);
    expect(after500.bytes).toBeLessThanOrEqual(after100.bytes);
  });

  test("LeNet's loss curve on the sample is the CPU's", async () => {
    const cpu = await openDevice("cpu", { threads: 2 });
    const options = { steps: 50, batchSize: 32, isRead: true };
    const expected = await train(fresh(cpu, lenet), options);
    const device = await openGpu();
    const buffers: number[] = [];
    const actual = await train(fresh(device, lenet), {
      ...options,
      onStep: () => buffers.push(device.counts.buffers),
    });
    const worst = Math.max(...actual.map((loss, i) => Math.abs(loss - expected[i]!)));
    expect(worst).toBeLessThan(1e-3);
    // No buffer is made after the second step; the collector takes some that initial values lay in.
    expect(Math.max(...buffers.slice(1)), buffers.join()).toBe(buffers[1]);
  });
});

describe("a process of its own", () => {
  const run = (program: string, env: Record<string, string> = {}) =>
    spawnSync(
      process.execPath,
      [
        "--import",
        "tsx",
        "--input-type=module",
        "-e",
        `const { openDevice } = await import(${JSON.stringify(new URL("../../src/devices/open.ts", import.meta.url).href)}); ${program}`,
      ],
      { encoding: "utf8", env: { ...process.env, ...env } },
    );

  test.skipIf(!adapter)("ends where a GPU was opened and used", () => {
    const used = run(
      `const device = await openDevice("webgpu"); console.log([...await device.read(device.allocate(8), 0, 2)].join());`,
    );
    expect(used.stdout).toBe("0,0\n");
    expect(used.status).toBe(0);
  });

  test.runIf(process.platform === "linux")("is told what is missing, and computes without a GPU", () => {
    const nowhere = { VK_DRIVER_FILES: "/nonexistent.json", VK_ICD_FILENAMES: "/nonexistent.json" };
    const named = run(`await openDevice("webgpu");`, nowhere);
    expect(named.stderr).toMatch(
      /WebGPU needs .*a Vulkan driver for the GPU: VK_DRIVER_FILES names \/nonexistent\.json, and there is no such file/,
    );
    const automatic = run(`console.log((await openDevice("auto")).name);`, nowhere);
    expect(automatic.stdout).toMatch(/^(cpu|reference)\n$/);
    expect(automatic.stderr).toBe("");
  });
});

describe("AlexNet and LeNet on the null backend", () => {
  test.each([
    // Metrics, and the copy that keeps the last good weights, are two dispatches of LeNet's.
    ["LeNet at batch 32", lenet, 32, 28, { loop: 30, inTrain: 32 }],
    ["LeNet at batch 256", lenet, 256, 28, { loop: 31, inTrain: 33 }],
    ["AlexNet at batch 128", alexnet, 128, 224, { loop: 60, inTrain: 60 }],
  ] as const)(
    "%s: every shader is valid at the default and at maximal limits, and dispatches are few",
    { timeout: 120_000 },
    async (_, net, batch, size, most) => {
      const plans = await trainingPlans(net, batch, size);
      // Code, pipelines and layouts are checked. Buffers and bind groups of maximal size are not: the null backend has none.
      for (const limits of [{}, maximalLimits]) {
        const gpu = await nullDevice(limits);
        const variants = [
          ...productVariants.map(({ name }) => pinnedVariants(name, usualVariants(true), false)),
          ...convolutionVariants.map((convolution) => ({ ...usualVariants(false), convolution })),
        ];
        const counts = new Map<string, number>();
        for (const chosen of variants) {
          gpu.pushErrorScope("validation");
          const device = openWebgpu(gpu, { variants: chosen });
          const loop = device.prepare(plans.loop).dispatches;
          const inTrain = device.prepare(plans.inTrain).dispatches;
          expect(await gpu.popErrorScope()).toBe(null);
          expect(loop.length).toBeLessThanOrEqual(most.loop);
          expect(inTrain.length).toBeLessThanOrEqual(most.inTrain);
          counts.set(chosen.convolution, inTrain.length);
          const { maxStorageBuffersPerShaderStage: storages, maxComputeWorkgroupsPerDimension: groups } =
            gpu.limits;
          for (const { ranges, workgroups } of [...loop, ...inTrain]) {
            expect(ranges.length).toBeLessThanOrEqual(storages);
            expect(Math.max(...workgroups)).toBeLessThanOrEqual(groups);
          }
        }
        // AlexNet has three convolutions for Winograd, forward and by their inputs: a transform before and behind each.
        const filtered = counts.get("direct")! + (net === alexnet ? 12 : 0);
        expect(counts.get("winograd")).toBe(filtered);
      }
    },
  );
});
