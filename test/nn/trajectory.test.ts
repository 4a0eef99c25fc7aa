import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { philox4x32 } from "../../src/core/scalar.js";
import { alexnet } from "../../src/models/alexnet.js";
import { lenet } from "../../src/models/lenet.js";
import { Dropout, type Sequential } from "../../src/nn/index.js";
import { fans } from "../../src/nn/init.js";
import { zeros } from "../../src/ops/creation.js";
import { backward } from "../../src/ops/gradients.js";
import { cast, div, mul, sub } from "../../src/ops/pointwise.js";
import { dropout, rand } from "../../src/ops/random.js";
import { resize } from "../../src/ops/resize.js";
import { crossEntropy } from "../../src/ops/softmax.js";
import { clipGradNorm, sgd, warmupCosine } from "../../src/optim/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { type Tensor, tensor, variable } from "../../src/tensor/tensor.js";
import { relativeError } from "../support/compare.js";
import { testDevices } from "../support/test_devices.js";
import { tolerances } from "../support/tolerances.js";
import { smallAlexnet } from "./networks.js";

interface Trajectory {
  seed: number;
  batch: number;
  size: number;
  steps: number;
  imagesDraw: number;
  learningRate: number;
  /** Plain SGD if there is none. */
  recipe?: {
    momentum: number;
    weightDecay: number;
    clipGradNorm: number;
    warmupSteps: number;
    mean: number;
    std: number;
  };
  labels: number[];
  losses: number[];
  /** Of all gradients before they are clipped, step by step. */
  norms?: number[];
  logits: number[];
  parameters: {
    name: string;
    shape: number[];
    norm: number;
    gradientNorm: number;
    indices: number[];
    gradient: number[];
  }[];
}

function fixture(name: string): Trajectory {
  return JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), "utf8"));
}

/** Parameter k is drawn with draw k: Xavier-uniform weights, zero biases. */
function loadWeights(net: Sequential, seed: number): void {
  for (const [draw, parameter] of net.parameters().entries()) {
    if (parameter.shape.length === 1) {
      parameter.assign(zeros(parameter.shape));
      continue;
    }
    const { fanIn, fanOut } = fans(parameter.shape);
    const bound = Math.fround(Math.sqrt(6 / (fanIn + fanOut)));
    parameter.assign(mul(sub(mul(rand(parameter.shape, { draw, seed }), 2), 1), bound));
  }
}

function images({ batch, size, seed, imagesDraw, recipe }: Trajectory): Tensor {
  const count = batch * 28 * 28;
  const bytes = Uint8Array.from(
    { length: count },
    (_, i) => philox4x32([i, imagesDraw, 0, 0], [seed, 0])[0] & 255,
  );
  const pixels = mul(cast(tensor(bytes, [batch, 1, 28, 28]), "f32"), 1 / 255);
  return resize(recipe ? div(sub(pixels, recipe.mean), recipe.std) : pixels, size);
}

/** The network's layers, with dropout j of step s drawn as the fixture draws it. */
function forward(net: Sequential, x: Tensor, seed: number, step: number): Tensor {
  let dropouts = 0;
  let value = x;
  for (const layer of net) {
    if (layer instanceof Dropout)
      value = dropout(value, layer.p, { draw: 2000 + 2 * step + dropouts++, seed });
    else value = layer.forward(value);
  }
  return value;
}

async function follow(net: Sequential, expected: Trajectory): Promise<void> {
  const { seed, recipe, learningRate } = expected;
  loadWeights(net, seed);
  const { momentum = 0, weightDecay = 0 } = recipe ?? {};
  const optimizer = sgd(net.parameters(), { learningRate, momentum, nesterov: momentum > 0, weightDecay });
  const schedule = recipe && warmupCosine(recipe)(expected.steps);
  const losses: number[] = [];
  // Kept by the step itself, as train() does: a loss that is read before would compute the gradients apart from it.
  const kept = variable(zeros([]));
  for (let step = 0; step < expected.steps; step++) {
    const logits = forward(net, images(expected), seed, step);
    const loss = crossEntropy(logits, tensor(Int32Array.from(expected.labels)));
    backward(loss);
    if (step === 0) {
      expect(relativeError(await logits.data(), expected.logits), "logits").toBeLessThan(
        tolerances.trajectoryLoss,
      );
      for (const [k, parameter] of net.parameters().entries())
        await compareGradient(parameter, expected.parameters[k]!);
    }
    if (recipe) kept.assign(loss.detach());
    else losses.push(await loss.item());
    if (schedule) optimizer.learningRate = learningRate * schedule(step);
    if (recipe) {
      const norm = clipGradNorm(net.parameters(), recipe.clipGradNorm);
      // Read in every second step only: a step must come out the same when nobody asks.
      if (step % 2 === 0)
        expect(
          relativeError([await norm.item()], [expected.norms![step]!]),
          `norm of step ${step}`,
        ).toBeLessThan(tolerances.trajectoryGradient);
    }
    await optimizer.step();
    if (recipe) losses.push(await kept.item());
  }
  expect(relativeError(losses, expected.losses), "losses").toBeLessThan(tolerances.trajectoryLoss);
}

async function compareGradient(parameter: Tensor, want: Trajectory["parameters"][number]): Promise<void> {
  expect(parameter.shape).toEqual(want.shape);
  const gradient = (await parameter.grad!.data()) as Float32Array;
  const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
  const tolerance = tolerances.trajectoryGradient;
  expect(Math.abs(norm / want.gradientNorm - 1), `gradient norm of ${want.name}`).toBeLessThan(tolerance);
  const sampled = want.indices.map((index) => gradient[index]!);
  expect(relativeError(sampled, want.gradient), `gradient of ${want.name}`).toBeLessThan(tolerance);
}

for (const [name, device] of await testDevices({ all: true })) {
  describe(`training on ${name} follows PyTorch`, () => {
    test("LeNet: every gradient, ten losses", async () => {
      useDevice(device);
      await follow(lenet(), fixture("lenet"));
    });
    test("LeNet by a recipe (normalized, Nesterov, decayed, clipped, scheduled): ten losses", async () => {
      useDevice(device);
      await follow(lenet(), fixture("lenet_recipe"));
    });
    test("AlexNet with an eighth of the channels: every gradient, ten losses", async () => {
      useDevice(device);
      const expected = fixture("alexnet_small");
      // Plain loops take a second a step here, and so does a GPU in software: they follow for two.
      await follow(
        smallAlexnet(),
        name === "cpu" ? expected : { ...expected, steps: 2, losses: expected.losses.slice(0, 2) },
      );
    });
    if (name !== "cpu") return;
    test("the full AlexNet: every gradient of a step", async () => {
      useDevice(device);
      await follow(alexnet(), fixture("alexnet_full"));
    });
  });
}
