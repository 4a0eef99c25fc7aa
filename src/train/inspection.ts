import type { Dataset } from "../data/dataset.js";
import { Conv2d, Linear, type Sequential } from "../nn/index.js";
import { softmax } from "../ops/softmax.js";
import { evaluate as compute, type Tensor } from "../tensor/tensor.js";
import type { Activations, LayerActivation } from "../views/activations.js";
import type { Kernels } from "../views/kernels.js";
import type { LayerStatistics } from "../views/layer_health.js";
import type { Pixels } from "../views/pixels.js";
import type { Inspection } from "../views/report_page.js";
import {
  fixedBatch,
  forwardLayers,
  inEvaluation,
  itemsOf,
  layerStatistics,
  recordStatistics,
} from "./statistics.js";

export interface InspectOptions {
  /** Looks at so many test images at most, spread over the set; at all of them if left out. */
  readonly examples?: number;
  /** 12 if left out. */
  readonly mistakes?: number;
  /** 64 if left out. */
  readonly batchSize?: number;
}

/** Looks into a trained network with dropout off: what it takes for what, its kernels, activations and gradients. */
export async function inspect(
  net: Sequential,
  { testSet }: { testSet: Dataset },
  options: InspectOptions = {},
): Promise<Inspection> {
  const wasTraining = net.training;
  net.eval();
  try {
    const { results, firsts } = await judge(net, testSet, options);
    const { classNames, counts } = results.confusion;
    const [one, other] = pairOf(classNames, counts);
    return {
      ...results,
      kernels: await firstKernels(net, classNames),
      activations: [
        await activationsOf(net, testSet, firsts[one]!, classNames[one]!),
        await activationsOf(net, testSet, firsts[other]!, classNames[other]!),
      ],
      layers: await layerStatistics(net, fixedBatch(testSet)),
    };
  } finally {
    net.train(wasTraining);
  }
}

/** What a network takes for what. */
export type Results = Pick<Inspection, "examples" | "testCount" | "accuracy" | "confusion" | "mistakes">;

/** Puts a network to the test; by class also the number of the first image of it. Whether dropout is on is the caller's. */
export async function judge(
  net: Sequential,
  testSet: Dataset,
  { examples = testSet.count, mistakes = 12, batchSize = 64 }: InspectOptions = {},
): Promise<{ readonly results: Results; readonly firsts: readonly number[] }> {
  const count = Math.min(examples, testSet.count);
  const numbers = Int32Array.from({ length: count }, (_, k) => Math.floor((k * testSet.count) / count));
  const predictions = await predict(net, testSet, numbers, batchSize);
  const { classNames } = testSet;
  const counts = classNames.map(() => classNames.map(() => 0));
  for (const { truth, predicted } of predictions) counts[truth]![predicted]!++;
  const wrong = predictions
    .filter(({ truth, predicted }) => truth !== predicted)
    .sort((a, b) => b.confidence - a.confidence || a.number - b.number);
  const results: Results = {
    examples: count,
    testCount: testSet.count,
    accuracy: (count - wrong.length) / count,
    confusion: { classNames, counts },
    mistakes: await Promise.all(
      wrong.slice(0, mistakes).map(async ({ number, truth, predicted, confidence }) => ({
        pixels: await pixelsOf(testSet, number),
        truth: classNames[truth]!,
        predicted: classNames[predicted]!,
        confidence,
      })),
    ),
  };
  const firsts = classNames.map(
    (_, label) => predictions.find(({ truth }) => truth === label)?.number ?? numbers[label]!,
  );
  return { results, firsts };
}

interface Prediction {
  readonly number: number;
  readonly truth: number;
  readonly predicted: number;
  readonly confidence: number;
}

async function predict(
  net: Sequential,
  set: Dataset,
  numbers: Int32Array,
  batchSize: number,
): Promise<Prediction[]> {
  const found: Prediction[] = [];
  for (let from = 0; from < numbers.length; from += batchSize) {
    const some = numbers.slice(from, from + batchSize);
    const { x, y } = set.batch(some);
    const shares = softmax(net.forward(x));
    await compute(shares, y);
    const [values, labels] = [await shares.data(), await y.data()];
    const classes = shares.shape[1]!;
    some.forEach((number, k) => {
      const row = [...values.subarray(k * classes, (k + 1) * classes)];
      // A network of broken weights says nothing that is larger than anything; it counts as the first class.
      const predicted = row.reduce((best, share, one) => (share > row[best]! ? one : best), 0);
      found.push({ number, truth: labels[k]!, predicted, confidence: row[predicted]! });
    });
  }
  return found;
}

/** Pullover and coat, or the two classes that are taken for each other most often. */
function pairOf(classNames: readonly string[], counts: readonly (readonly number[])[]): [number, number] {
  const named = ["pullover", "coat"].map((name) => classNames.indexOf(name));
  if (named.every((label) => label >= 0)) return [named[0]!, named[1]!];
  const pairs = classNames.flatMap((_, a) =>
    classNames.slice(0, a).map((_, b) => ({ a, b, count: counts[a]![b]! + counts[b]![a]! })),
  );
  const most = pairs.reduce((best, one) => (one.count > best.count ? one : best), { a: 0, b: 0, count: -1 });
  return [most.b, most.a];
}

async function pixelsOf(set: Dataset, number: number): Promise<Pixels> {
  const data = await set.batch(Int32Array.from([number])).x.data();
  const [channels, height, width] = set.shape;
  return { data, width, height, channels: channels === 3 ? 3 : 1 };
}

/** Activation functions' outputs, and what the network says of the image. */
async function activationsOf(
  net: Sequential,
  set: Dataset,
  number: number,
  label: string,
): Promise<Activations> {
  const outputs: [string, Tensor][] = [];
  const logits = forwardLayers(net, set.batch(Int32Array.from([number])).x, (name, output) => {
    if (/ (LeakyReLU|ReLU|Sigmoid|Tanh)$/.test(name)) outputs.push([name, output]);
  });
  const shares = softmax(logits);
  await compute(shares, ...outputs.map(([, output]) => output));
  const layers: LayerActivation[] = await Promise.all(
    outputs.map(async ([layer, output]) => ({
      layer,
      shape: output.shape.slice(1),
      values: await output.data(),
    })),
  );
  return { label, pixels: await pixelsOf(set, number), probabilities: [...(await shares.data())], layers };
}

/** The weights of the first layer that has some, as images of the input's shape or of the kernels' own. */
export async function firstKernels(net: Sequential, classNames: readonly string[]): Promise<Kernels | null> {
  const first = firstWeights(net, classNames);
  return first && { ...first.picture, weights: await first.weight.data() };
}

/** The first layer's weights where they can be drawn: the tensor, and how it lies. */
function firstWeights(net: Sequential, classNames: readonly string[]) {
  const layers = [...net];
  const first = layers.find((layer) => layer.parameterCount() > 0);
  if (first instanceof Conv2d)
    return { weight: first.weight, picture: { shape: first.weight.shape as Kernels["shape"] } };
  if (!(first instanceof Linear) || net.inputShape.length !== 3) return null;
  const [units, features] = first.weight.shape as [number, number];
  const [channels, height, width] = net.inputShape as [number, number, number];
  if (features !== channels * height * width) return null;
  const names = first === layers.at(-1) ? classNames : undefined;
  const shape: Kernels["shape"] = [units, channels, height, width];
  return { weight: first.weight, picture: { shape, names } };
}

/** What can be seen of a network between two steps. */
export interface Glimpse {
  readonly layers: LayerStatistics;
  /** The first layer's, and the loss's gradient by them; null where they are no pictures. */
  readonly kernels: { readonly weights: Kernels; readonly gradients: Kernels } | null;
  /** Of all layers, by place and kind. */
  readonly layerNames: readonly string[];
  /** Of the layer that was asked for, or of the first. */
  readonly activation: LayerActivation;
  /** Softmax shares of the classes for the image. */
  readonly probabilities: readonly number[];
}

export interface GlimpseOptions {
  /** A test image's number. */
  readonly image: number;
  /** A layer by place and kind, such as "1 ReLU". */
  readonly layer?: string | undefined;
  /** Gradients and dead ReLUs are measured on so many of the first test images; 64 if left out. */
  readonly batchSize?: number;
}

/**
 * Looks into a network that is being trained, in one evaluation: training goes on to the same bits, as after
 * `layerStatistics`. Call it between two steps. Waits for the device.
 */
export async function glimpse(
  net: Sequential,
  testSet: Dataset,
  { image, layer, batchSize }: GlimpseOptions,
): Promise<Glimpse> {
  const { norms, dead, gradients } = recordStatistics(net, fixedBatch(testSet, batchSize));
  const outputs = new Map<string, Tensor>();
  const { x } = testSet.batch(Int32Array.from([image]));
  const shares = inEvaluation(net, () =>
    softmax(forwardLayers(net, x, (name, output) => outputs.set(name, output))),
  );
  const name = layer !== undefined && outputs.has(layer) ? layer : outputs.keys().next().value!;
  const output = outputs.get(name)!;
  const first = firstWeights(net, testSet.classNames);
  const place = [...net.namedParameters()].find(([, parameter]) => parameter === first?.weight)?.[0];
  const gradient = place === undefined ? undefined : gradients.get(place);
  await compute(...norms.values(), ...dead.values(), shares, output, ...(gradient ? [gradient] : []));
  return {
    layers: { gradientNorms: await itemsOf(norms), deadShares: await itemsOf(dead) },
    kernels:
      first && gradient
        ? {
            weights: { ...first.picture, weights: await first.weight.data() },
            gradients: { ...first.picture, weights: await gradient.data() },
          }
        : null,
    layerNames: [...outputs.keys()],
    activation: { layer: name, shape: output.shape.slice(1), values: await output.data() },
    probabilities: [...(await shares.data())],
  };
}
