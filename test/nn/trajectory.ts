import { philox4x32 } from "../../src/core/scalar.js";
import { Dropout, type Sequential } from "../../src/nn/index.js";
import { fans } from "../../src/nn/init.js";
import { zeros } from "../../src/ops/creation.js";
import { backward } from "../../src/ops/gradients.js";
import { cast, div, mul, sub } from "../../src/ops/pointwise.js";
import { dropout, rand } from "../../src/ops/random.js";
import { resize } from "../../src/ops/resize.js";
import { crossEntropy } from "../../src/ops/softmax.js";
import { clipGradNorm, sgd, warmupCosine } from "../../src/optim/index.js";
import { type Tensor, tensor, variable } from "../../src/tensor/tensor.js";
import { relativeError } from "../support/compare.js";
import { tolerances } from "../support/tolerances.js";

/** What PyTorch made of a network's first steps. */
export interface Trajectory {
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

/** The first steps of it only. */
export function shortened(whole: Trajectory, steps: number): Trajectory {
  return { ...whole, steps, losses: whole.losses.slice(0, steps) };
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

/** Trains on the device in use, in Node or in a page; sentences on where it leaves the fixture's way. */
export async function departures(net: Sequential, expected: Trajectory): Promise<string[]> {
  const { seed, recipe, learningRate } = expected;
  const found: string[] = [];
  const compare = (what: string, actual: ArrayLike<number>, want: ArrayLike<number>, tolerance: number) => {
    const error = relativeError(actual, want);
    if (!(error < tolerance)) found.push(`${what}: an error of ${error}, allowed are ${tolerance}`);
  };
  const { trajectoryLoss, trajectoryGradient } = tolerances;
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
      compare("logits", await logits.data(), expected.logits, trajectoryLoss);
      for (const [k, parameter] of net.parameters().entries()) {
        const want = expected.parameters[k]!;
        const gradient = (await parameter.grad!.data()) as Float32Array;
        const size = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
        if (`${parameter.shape}` !== `${want.shape}`) found.push(`${want.name} is [${parameter.shape}]`);
        compare(`gradient norm of ${want.name}`, [size / want.gradientNorm], [1], trajectoryGradient);
        const sampled = want.indices.map((index) => gradient[index]!);
        compare(`gradient of ${want.name}`, sampled, want.gradient, trajectoryGradient);
      }
    }
    if (recipe) kept.assign(loss.detach());
    else losses.push(await loss.item());
    if (schedule) optimizer.learningRate = learningRate * schedule(step);
    if (recipe) {
      const norm = clipGradNorm(net.parameters(), recipe.clipGradNorm);
      // Read in every second step only: a step must come out the same when nobody asks.
      if (step % 2 === 0)
        compare(`norm of step ${step}`, [await norm.item()], [expected.norms![step]!], trajectoryGradient);
    }
    await optimizer.step();
    if (recipe) losses.push(await kept.item());
  }
  compare("losses", losses, expected.losses, trajectoryLoss);
  return found;
}
