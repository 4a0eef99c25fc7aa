import { expect, test } from "vitest";
import type { Plan } from "../../src/core/plan.js";
import { Dataset } from "../../src/data/dataset.js";
import type { Device } from "../../src/devices/device.js";
import { openReference } from "../../src/devices/reference/reference.js";
import { alexnet } from "../../src/models/alexnet.js";
import { lenet } from "../../src/models/lenet.js";
import { softmaxRegression } from "../../src/models/mlp.js";
import type { Sequential } from "../../src/nn/index.js";
import { backward } from "../../src/ops/gradients.js";
import { manualSeed } from "../../src/ops/random.js";
import { crossEntropy } from "../../src/ops/softmax.js";
import { clipGradNorm, type OptimizerRecipe, sgd } from "../../src/optim/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { train } from "../../src/train/train.js";

/** A device with the CPU's traits that keeps plans and runs nothing. */
function recorder(): { device: Device; plans: Plan[] } {
  const plans: Plan[] = [];
  const device: Device = {
    ...openReference(),
    traits: { channelsLast: true },
    allocate: (byteLength) => ({ byteLength }),
    write() {},
    read: async (_buffer, _offset, byteLength) => new Uint8Array(byteLength),
    prepare(plan) {
      plans.push(plan);
      return { plan };
    },
    async run() {},
  };
  return { device, plans };
}

const blank = {
  images: new Uint8Array(784 * 512),
  labels: new Uint8Array(512),
  count: 512,
  height: 28,
  width: 28,
  channels: 1 as const,
};

/** The plan of a training step, and how many plans five steps needed. */
async function trainingPlan(
  net: () => Sequential,
  size: number,
  batchSize: number,
  recipe: OptimizerRecipe,
  maxNorm?: number,
): Promise<{ plan: Plan; count: number }> {
  const { device, plans } = recorder();
  useDevice(device);
  manualSeed(0);
  const model = net();
  const set = new Dataset(blank, [], { size });
  const optimizer = recipe(model.parameters());
  for (let i = 0; i < 5; i++) {
    const { x, y } = set.batch(new Int32Array(batchSize));
    backward(crossEntropy(model.forward(x), y));
    if (maxNorm !== undefined) clipGradNorm(model.parameters(), maxNorm);
    await optimizer.step();
  }
  return { plan: plans.at(-1)!, count: plans.length };
}

test("softmax regression: the whole plan", async () => {
  const { plan } = await trainingPlan(softmaxRegression, 28, 32, sgd({ learningRate: 0.1 }));
  expect(`${plan}`).toMatchSnapshot();
});

test("LeNet with momentum: the whole plan", async () => {
  const { plan } = await trainingPlan(lenet, 28, 32, sgd({ learningRate: 0.9, momentum: 0.9 }));
  expect(`${plan}`).toMatchSnapshot();
});

test("five steps need two plans: the weights' first values, and the step", async () => {
  const { count } = await trainingPlan(lenet, 28, 32, sgd({ learningRate: 0.9 }));
  expect(count).toBe(2);
});

test("AlexNet at batch 128: few steps, no flat gradient, memory reused", async () => {
  const { plan } = await trainingPlan(alexnet, 224, 128, sgd({ learningRate: 0.01 }));
  const kinds = plan.steps.map(({ kernel }) => kernel.kind);
  expect(plan.steps.length).toBeLessThanOrEqual(60);
  expect(plan.arenaBytes).toBeLessThan(450 * 2 ** 20);
  // Bias, ReLU, dropout and the update ride on heavy kernels: no large tensor has a pointwise step of its own.
  expect(largePointwise(plan)).toEqual([]);
  expect(kinds.filter((kind) => kind === "conv2dInputGrad").length).toBe(4);
  // A weight's gradient exists in its kernel's epilogue only.
  for (const step of plan.steps) {
    if (step.kernel.kind === "conv2dWeightGrad")
      expect(step.outputs.every(({ target }) => plan.values[target.value]!.buffer > 0)).toBe(true);
  }
});

test.each([
  ["LeNet", lenet, 28, 30],
  ["AlexNet", alexnet, 224, 45],
] as const)(
  "%s in train(): metrics and the last good weights ride on the step",
  async (_name, net, size, most) => {
    const { device, plans } = recorder();
    const classNames = Array.from({ length: 10 }, (_, i) => `${i}`);
    const set = new Dataset(blank, classNames, { size });
    await train(net() as Sequential, {
      trainSet: set,
      testSet: set,
      optimizer: sgd({ learningRate: 0.1 }),
      batchSize: 256,
      epochs: 1,
      device,
    });
    const lengths = plans.map(({ steps }) => steps.length);
    // The first values of the weights: one step each.
    expect(Math.max(...lengths)).toBeLessThanOrEqual(most);
    expect(lengths.filter((length) => length > 20).length).toBeGreaterThan(0);
  },
);

const decayed = sgd({ learningRate: 0.01, momentum: 0.9, nesterov: true, weightDecay: 5e-4 });

/** Pointwise steps over as many elements as AlexNet's larger weights have. */
function largePointwise(plan: Plan): Plan["steps"] {
  return plan.steps.filter(
    (step) => step.kernel.kind === "pointwise" && step.shape.reduce((a, b) => a * b, 1) > 10_000,
  );
}

test("AlexNet with Nesterov momentum and weight decay: weight and momentum ride on the gradient together", async () => {
  const { plan, count } = await trainingPlan(alexnet, 224, 128, decayed);
  expect(count).toBe(2);
  expect(largePointwise(plan)).toEqual([]);
  expect(plan.arenaBytes).toBeLessThan(450 * 2 ** 20);
});

test("AlexNet with clipped gradients: one pass for each norm, one for each update", async () => {
  const { plan, count } = await trainingPlan(alexnet, 224, 128, decayed, 5);
  expect(count).toBe(2);
  const large = largePointwise(plan);
  // Of the eight weights; the first of them has 11,616.
  expect(large.map(({ outputs }) => outputs.length)).toEqual(new Array(8).fill(2));
  expect(
    large.every(({ outputs }) => outputs.every(({ target }) => plan.values[target.value]!.buffer > 0)),
  ).toBe(true);
  const unclipped = await trainingPlan(alexnet, 224, 128, decayed);
  const reductions = (of: Plan): number => of.steps.filter(({ kernel }) => kernel.kind === "reduce").length;
  expect(reductions(plan)).toBe(reductions(unclipped.plan) + 16);
});
