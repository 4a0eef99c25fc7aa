import type { Normalization } from "../data/index.js";
import { scalePixels } from "../data/normalization.js";
import type { Module } from "../nn/index.js";
import { permute } from "../ops/movement.js";
import { cast } from "../ops/pointwise.js";
import { resize } from "../ops/resize.js";
import { softmax } from "../ops/softmax.js";
import { tensor } from "../tensor/tensor.js";
import { inEvaluation } from "../train/statistics.js";

/** A decoded image: bytes row by row, the channels of a pixel beside each other. Canvas's `ImageData` is one. */
export interface Pixels {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

export interface Guess {
  readonly label: string;
  /** Of the class. */
  readonly index: number;
  /** By softmax, in [0, 1]. */
  readonly probability: number;
}

/** The best first; there always is one. */
export type Guesses = readonly [Guess, ...Guess[]];

export interface ClassifyOptions {
  /** One for each output of the network. */
  readonly classNames: readonly string[];
  /** Height and width of the network's images. */
  readonly size: readonly [number, number];
  /** What the network was trained with; pixels stay in [0, 1] if left out. */
  readonly normalization?: Normalization | null;
  /** How many classes are told, 5 if left out. */
  readonly top?: number;
}

/**
 * The most probable classes of pixels that have the channels that the network takes, and its size or less: a smaller
 * picture is enlarged as in training. Dropout is off, and what is being trained stays as it was.
 */
export async function classify(net: Module, pixels: Pixels, options: ClassifyOptions): Promise<Guesses> {
  const { classNames, size, normalization = null, top = 5 } = options;
  const { data, height, width } = pixels;
  const bytes = tensor(Uint8Array.from(data), [1, height, width, data.length / (height * width)]);
  const x = resize(scalePixels(cast(permute(bytes, [0, 3, 1, 2]), "f32"), normalization), size);
  const probabilities = await inEvaluation(net, () => softmax(net.forward(x), 1)).data();
  const guesses = classNames
    .map((label, index) => ({ label, index, probability: probabilities[index]! }))
    .sort((a, b) => b.probability - a.probability)
    .slice(0, top);
  return guesses as readonly Guess[] as Guesses;
}
