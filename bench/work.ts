import { Dataset } from "../src/data/dataset.js";
import { loadImageSet } from "../src/data/fashion_mnist.js";
import { alexnet } from "../src/models/alexnet.js";
import { lenet } from "../src/models/lenet.js";
import type { Sequential } from "../src/nn/index.js";
import { conv2d } from "../src/ops/conv.js";
import { backward, gradients } from "../src/ops/gradients.js";
import { matmul } from "../src/ops/matmul.js";
import { rand } from "../src/ops/random.js";
import { crossEntropy } from "../src/ops/softmax.js";
import { sgd } from "../src/optim/index.js";
import { evaluate, variable } from "../src/tensor/tensor.js";
import type { Work } from "./pytorch.js";

/** AlexNet's convolutions: input channels, output channels, input size, kernel, stride, padding. */
const convolutions = [
  [1, 96, 224, 11, 4, 1],
  [96, 256, 26, 5, 1, 2],
  [256, 384, 12, 3, 1, 1],
  [384, 384, 12, 3, 1, 1],
  [384, 256, 12, 3, 1, 1],
] as const;

export interface Prepared {
  /** Floating-point operations of one step. */
  readonly flop: number;
  step(): Promise<void>;
}

/** A training step as `train()` takes it, from the bytes of a batch on: gather, resize, forward, backward, SGD. */
async function trainingStep(name: "alexnet" | "lenet", batchSize: number): Promise<Prepared> {
  const net: Sequential = name === "alexnet" ? alexnet() : lenet();
  const { train, classNames } = await loadImageSet({ name: "fashion-mnist", sample: true });
  const set = new Dataset(train, classNames, { size: net.inputShape[1]! });
  const optimizer = sgd(net.parameters(), { learningRate: name === "alexnet" ? 0.01 : 0.9 });
  const numbers = Int32Array.from({ length: batchSize }, (_, i) => i);
  const first = net.layers(batchSize)[0]!.multiplyAdds;
  // Forward, input gradient, weight gradient; the first layer has no input gradient.
  const flop = 2 * (3 * batchSize * net.multiplyAdds(net.inputShape) - first);
  return {
    flop,
    step() {
      const { x, y } = set.batch(numbers);
      backward(crossEntropy(net.forward(x), y));
      return optimizer.step();
    },
  };
}

async function sgemm(m: number, n: number, k: number): Promise<Prepared> {
  const [a, b] = [variable(rand([m, k])), variable(rand([k, n]))];
  await evaluate(a, b);
  return { flop: 2 * m * n * k, step: () => evaluate(matmul(a, b)) };
}

async function convolution(layer: number, pass: string, batchSize: number): Promise<Prepared> {
  const [inputs, outputs, size, kernelSize, stride, padding] = convolutions[layer - 1]!;
  const x = variable(rand([batchSize, inputs, size, size]), { requiresGrad: true });
  const weight = variable(rand([outputs, inputs, kernelSize, kernelSize]), { requiresGrad: true });
  const forward = () => conv2d(x, weight, null, { stride, padding });
  const shape = forward().shape;
  const upstream = variable(rand(shape));
  await evaluate(x, weight, upstream);
  const flop = 2 * shape.reduce((a, b) => a * b, 1) * inputs * kernelSize ** 2;
  const wanted = pass === "inputGradient" ? x : weight;
  return {
    flop,
    step: () => evaluate(pass === "forward" ? forward() : gradients(forward(), [wanted], upstream)[0]!),
  };
}

export function prepare(work: Work): Promise<Prepared> {
  switch (work.what) {
    case "alexnet-step":
      return trainingStep("alexnet", work.batchSize);
    case "lenet-step":
      return trainingStep("lenet", work.batchSize);
    case "sgemm":
      return sgemm(work.m, work.n, work.k);
    case "conv":
      return convolution(work.layer, work.pass, work.batchSize);
  }
}
