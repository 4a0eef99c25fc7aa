import { elementCount, type Shape } from "../core/shape.js";
import * as nn from "../nn/index.js";
import { ones, zeros } from "../ops/creation.js";
import { mul } from "../ops/pointwise.js";
import { randn } from "../ops/random.js";
import type { Tensor } from "../tensor/tensor.js";

/** What an experiment changes of a network, and of how it is trained. */
export interface Design {
  readonly activation: "relu" | "sigmoid" | "tanh";
  readonly pooling: "max" | "average";
  /** Whether pooling windows of 3 overlap at stride 2, or windows of 2 lie side by side. */
  readonly overlapping: boolean;
  /** Whether there are as many convolutions in a row as in AlexNet. */
  readonly deep: boolean;
  /** Whether layers have AlexNet's several times as many outputs. */
  readonly wide: boolean;
  readonly dropout: boolean;
  /** After the first two activations, with the paper's numbers. */
  readonly localResponse: boolean;
  /** The paper's biases of 1 instead of small random ones: those of conv2, 4, 5 and the hidden linear layers. */
  readonly biasOne: boolean;
  /** Of normal initial weights, beside which biases are 0, as the paper's; Xavier's and small random biases if left out. */
  readonly initialDeviation?: number;
  readonly weightDecay: number;
  readonly augment: readonly string[];
}

/** One row of an experiment. */
export interface Variant {
  readonly name: string;
  readonly design: Design;
  /** Height and width that images are resized to; the study's if left out. */
  readonly size?: number;
}

const move = ["crop:2", "flip"];

const lenetDesign: Design = {
  activation: "sigmoid",
  pooling: "average",
  overlapping: false,
  deep: false,
  wide: false,
  dropout: false,
  localResponse: false,
  biasOne: false,
  weightDecay: 0,
  augment: [],
};

const alexnetDesign: Design = {
  ...lenetDesign,
  activation: "relu",
  pooling: "max",
  overlapping: true,
  deep: true,
  wide: true,
  dropout: true,
  augment: move,
};

/** Each with the changes of those before it. */
function cumulative(
  start: Design,
  changes: readonly (readonly [name: string, change: Partial<Design>])[],
): Variant[] {
  let design = start;
  return changes.map(([name, change]) => {
    design = { ...design, ...change };
    return { name, design };
  });
}

/** Each with its own change alone. */
function single(
  start: Design,
  changes: readonly (readonly [name: string, change: Partial<Design>])[],
): Variant[] {
  return changes.map(([name, change]) => ({ name, design: { ...start, ...change } }));
}

/** From LeNet to a small AlexNet for 28 pixels, one change after the other. */
export const lenetVariants = cumulative(lenetDesign, [
  ["LeNet", {}],
  ["+ ReLU", { activation: "relu" }],
  ["+ max pooling", { pooling: "max" }],
  ["+ four times the outputs", { wide: true }],
  ["+ two more convolutions", { deep: true }],
  ["+ dropout", { dropout: true }],
  ["+ augmentation", { augment: move }],
]);

const withoutOne = [
  ["AlexNet", {}],
  ["sigmoid for ReLU", { activation: "sigmoid" }],
  ["tanh for ReLU", { activation: "tanh" }],
  ["average for max pooling", { pooling: "average" }],
  ["no dropout", { dropout: false }],
] as const;

/** AlexNet less one change each. */
export const alexnetVariants = single(alexnetDesign, [
  ...withoutOne,
  ["no augmentation", { augment: [] }],
  ["no dropout, no augmentation", { dropout: false, augment: [] }],
  ["three convolutions for five", { deep: false }],
]);

/** A network that is trained in seconds. */
const small: Design = { ...lenetDesign, activation: "relu", pooling: "max", wide: true, deep: true };

/** What the paper says of single parts, and depth with each activation, on a small network. */
export const claimVariants = single(small, [
  ["four convolutions, ReLU", {}],
  ["four convolutions, tanh", { activation: "tanh" }],
  ["four convolutions, sigmoid", { activation: "sigmoid" }],
  ["two convolutions, ReLU", { deep: false }],
  ["two convolutions, tanh", { deep: false, activation: "tanh" }],
  ["two convolutions, sigmoid", { deep: false, activation: "sigmoid" }],
  ["overlapping pooling", { overlapping: true }],
  ["local response normalization", { localResponse: true }],
  ["weight decay 5e-4", { weightDecay: 5e-4 }],
  ["biases of 1", { biasOne: true }],
]);

/** The paper starts from small weights, and says that biases of 1 then speed up the first epochs. */
export const startVariants = single({ ...small, initialDeviation: 0.01 }, [
  ["biases of 0", {}],
  ["biases of 1", { biasOne: true }],
]);

/** The notebook trains without augmentation, so here it is what is added. */
export const notebookVariants = single({ ...alexnetDesign, augment: [] }, [
  ...withoutOne,
  ["augmentation", { augment: move }],
]);

/** The same images, enlarged. */
export const sizeVariants: Variant[] = [28, 112, 224].map((size) => ({
  name: `AlexNet at ${size} pixels`,
  design: { ...alexnetDesign, augment: [] },
  size,
}));

const activations = { relu: nn.relu, sigmoid: nn.sigmoid, tanh: nn.tanh };

/** A convolution, its activation, and pooling behind it where asked. */
interface Stage {
  readonly outputs: number;
  readonly window: { readonly kernelSize: number; readonly stride?: number; readonly padding?: number };
  readonly pools?: boolean;
  /** Whether the paper starts its biases at 1. */
  readonly biasOne?: boolean;
}

const three = { kernelSize: 3, padding: 1 };

/** LeNet for 28 pixels, with a design's changes. */
export function lenetLike(design: Design, size = 28): nn.Sequential {
  const times = design.wide ? 4 : 1;
  const last: Stage = { outputs: 16 * times, window: three, biasOne: true };
  const stages: Stage[] = [
    { outputs: 6 * times, window: { kernelSize: 5, padding: 2 }, pools: true },
    { outputs: 16 * times, window: { kernelSize: 5 }, pools: !design.deep, biasOne: true },
    ...(design.deep ? [last, { ...last, pools: true }] : []),
  ];
  return build(size, design, stages, [120 * times, 84 * times]);
}

/**
 * The notebook's AlexNet for any size that its windows fit into, with a design's changes. Images below 67 pixels, too
 * small for a first window of 11 at stride 4, get one of 5 at stride 1.
 */
export function alexnetLike(design: Design, size: number): nn.Sequential {
  const first = size < 67 ? { kernelSize: 5, padding: 2 } : { kernelSize: 11, stride: 4, padding: 1 };
  const middle: Stage[] = [
    { outputs: 384, window: three },
    { outputs: 384, window: three, biasOne: true },
  ];
  const stages: Stage[] = [
    { outputs: 96, window: first, pools: true },
    { outputs: 256, window: { kernelSize: 5, padding: 2 }, pools: true, biasOne: true },
    ...(design.deep ? middle : []),
    { outputs: 256, window: three, pools: true, biasOne: true },
  ];
  return build(size, design, stages, [4096, 4096]);
}

function build(
  size: number,
  design: Design,
  stages: readonly Stage[],
  hidden: readonly number[],
): nn.Sequential {
  const inputShape: Shape = [1, size, size];
  const layers: nn.Module[] = [];
  let channels = 1;
  stages.forEach((stage, place) => {
    const { outputs, window, pools } = stage;
    layers.push(
      started(nn.conv2d(channels, outputs, window), design, stage.biasOne),
      activations[design.activation](),
    );
    if (design.localResponse && place < 2) layers.push(nn.localResponseNorm({ k: 2, alpha: 5e-4 }));
    if (pools) layers.push(pooling(design));
    channels = outputs;
  });
  layers.push(nn.flatten());
  let features = elementCount(nn.sequential(inputShape, ...layers).outputShape());
  for (const outputs of hidden) {
    layers.push(started(nn.linear(features, outputs), design, true), activations[design.activation]());
    if (design.dropout) layers.push(nn.dropout({ p: 0.5 }));
    features = outputs;
  }
  return nn.sequential(inputShape, ...layers, started(nn.linear(features, 10), design));
}

function pooling({ pooling, overlapping }: Design): nn.Module {
  const window = { kernelSize: overlapping ? 3 : 2, stride: 2 };
  return pooling === "max" ? nn.maxPool2d(window) : nn.avgPool2d(window);
}

/** What `train` draws a design's weights by; its own way if undefined. */
export function initializerOf({ initialDeviation }: Design): nn.Initializer | undefined {
  return initialDeviation === undefined ? undefined : (shape) => mul(randn(shape), initialDeviation);
}

/** A layer with the initial biases of a design; `biasOne` where the paper starts them at 1. */
function started<Layer extends { readonly bias: Tensor | null }>(
  layer: Layer,
  design: Design,
  biasOne = false,
): Layer {
  const { bias } = layer;
  if (design.initialDeviation !== undefined) bias?.assign(zeros(bias.shape));
  if (design.biasOne && biasOne) bias?.assign(ones(bias.shape));
  return layer;
}
