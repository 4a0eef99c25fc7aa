import { arange } from "../ops/creation.js";
import { gather } from "../ops/gather.js";
import { matmul } from "../ops/matmul.js";
import { reshape } from "../ops/movement.js";
import {
  add,
  cast,
  clamp,
  cos,
  div,
  exp,
  floor,
  greaterEqual,
  less,
  minimum,
  mul,
  sin,
  sqrt,
  sub,
  where,
} from "../ops/pointwise.js";
import { rand, randn } from "../ops/random.js";
import { mean } from "../ops/reduce.js";
import { type Tensor, tensor } from "../tensor/tensor.js";

/**
 * A random change of images f32 [n, channels, h, w] in [0, 1], drawn for each image anew, from the seeded random
 * numbers, when a batch is recorded. It is part of the step on the device: no image is copied to the host.
 */
export type Augmentation = (images: Tensor) => Tensor;

/** One number an image, in [low, high). */
function uniform(images: Tensor, low: number, high: number): Tensor {
  return add(mul(rand([images.shape[0]!, 1, 1, 1]), high - low), low);
}

/** Row numbers [1, 1, h, 1] and column numbers [1, 1, 1, w], i32. */
function grid(images: Tensor): { y: Tensor; x: Tensor } {
  const [, , h, w] = images.shape as [number, number, number, number];
  return { y: reshape(arange(h), [1, 1, h, 1]), x: reshape(arange(w), [1, 1, 1, w]) };
}

/** 1 where every condition is 1. */
function all(...conditions: Tensor[]): Tensor {
  return conditions.reduce((a, b) => mul(a, b));
}

/** The images' pixels at rows y and columns x, i32 that broadcast to [n, 1, h, w]; black outside. */
function pixelsAt(images: Tensor, y: Tensor, x: Tensor): Tensor {
  const [n, c, h, w] = images.shape as [number, number, number, number];
  const plane = mul(reshape(arange(n * c), [n, c, 1, 1]), h * w);
  const inside = all(greaterEqual(y, 0), less(y, h), greaterEqual(x, 0), less(x, w));
  const index = where(inside, add(add(plane, mul(y, w)), x), -1);
  return gather(reshape(images, [n * c * h * w]), index);
}

function requireProbability(what: string, p: number): void {
  if (!(p >= 0 && p <= 1)) throw new RangeError(`${what}: p is ${p}; give a probability from 0 to 1`);
}

function requireRange(what: string, [low, high]: readonly [number, number], least: number): void {
  if (!(low >= least && high >= low && high < Infinity))
    throw new RangeError(
      `${what} is [${low}, ${high}]; give two numbers of at least ${least}, the smaller first`,
    );
}

/**
 * Moves each image by up to `padding` pixels each way and fills with black: torchvision's
 * `RandomCrop(size, padding)`. Throws a RangeError unless the padding is a whole number of at least 0.
 */
export function randomCrop({ padding }: { padding: number }): Augmentation {
  if (!Number.isInteger(padding) || padding < 0)
    throw new RangeError(`randomCrop: padding is ${padding}; give a whole number of at least 0`);
  return (images) => {
    const { y, x } = grid(images);
    const shift = (): Tensor => cast(sub(floor(uniform(images, 0, 2 * padding + 1)), padding), "i32");
    return pixelsAt(images, add(y, shift()), add(x, shift()));
  };
}

/** Mirrors each image with probability p (0.5 if left out): torchvision's `RandomHorizontalFlip`. Throws a RangeError on another p. */
export function randomHorizontalFlip({ p = 0.5 }: { p?: number } = {}): Augmentation {
  requireProbability("randomHorizontalFlip", p);
  return (images) => {
    const { y, x } = grid(images);
    return pixelsAt(images, y, where(less(uniform(images, 0, 1), p), sub(images.shape[3]! - 1, x), x));
  };
}

export interface RandomAffineOptions {
  /** Turns by up to so many degrees either way; 0 if left out. */
  degrees?: number;
  /** Moves by up to these shares of height and width; 0 if left out. */
  translate?: readonly [vertical: number, horizontal: number];
  /** Enlarges by a factor between these; 1 if left out. */
  scale?: readonly [least: number, most: number];
}

/**
 * Turns, enlarges and moves each image about its centre, bilinear, black outside: torchvision's `RandomAffine`
 * without shear. Throws a RangeError on an angle, a share or a factor that is negative or no number.
 */
export function randomAffine(options: RandomAffineOptions): Augmentation {
  const { degrees = 0, translate = [0, 0], scale = [1, 1] } = options;
  if (!(degrees >= 0 && degrees <= 180))
    throw new RangeError(`randomAffine: degrees is ${degrees}; give an angle from 0 to 180`);
  for (const share of translate)
    if (!(share >= 0 && share <= 1))
      throw new RangeError(`randomAffine: translate holds ${share}; give shares from 0 to 1`);
  requireRange("randomAffine: scale", scale, 1e-3);
  return (images) => {
    const [, , h, w] = images.shape as [number, number, number, number];
    const { y, x } = grid(images);
    const angle = uniform(images, (-degrees * Math.PI) / 180, (degrees * Math.PI) / 180);
    const factor = uniform(images, ...scale);
    const from = (at: Tensor, size: number, share: number): Tensor =>
      div(sub(sub(at, (size - 1) / 2), uniform(images, -share * size, share * size)), factor);
    const [dy, dx] = [from(y, h, translate[0]), from(x, w, translate[1])];
    // Where a pixel of the result comes from: turned back.
    const sourceY = add(sub(mul(cos(angle), dy), mul(sin(angle), dx)), (h - 1) / 2);
    const sourceX = add(add(mul(sin(angle), dy), mul(cos(angle), dx)), (w - 1) / 2);
    return bilinear(images, sourceY, sourceX);
  };
}

/** The images at fractional rows and columns, f32 [n, 1, h, w]. */
function bilinear(images: Tensor, y: Tensor, x: Tensor): Tensor {
  const [top, left] = [floor(y), floor(x)];
  const [down, right] = [sub(y, top), sub(x, left)];
  const corner = (dy: 0 | 1, dx: 0 | 1): Tensor => {
    const weight = mul(dy ? down : sub(1, down), dx ? right : sub(1, right));
    return mul(pixelsAt(images, cast(add(top, dy), "i32"), cast(add(left, dx), "i32")), weight);
  };
  return add(add(corner(0, 0), corner(0, 1)), add(corner(1, 0), corner(1, 1)));
}

export interface RandomErasingOptions {
  /** Of an image to lose a part; 0.5 if left out. */
  p?: number;
  /** Share of the area that is lost; 0.02 to 0.33 if left out. */
  scale?: readonly [least: number, most: number];
  /** Height over width; 0.3 to 3.3 if left out. */
  ratio?: readonly [least: number, most: number];
  /** What is put there; 0 if left out. */
  value?: number;
}

/**
 * Puts a number in a random rectangle of some images (Zhong et al., 2017): torchvision's `RandomErasing`, but that a
 * rectangle longer than the image is cut to it instead of drawn again. Throws a RangeError on a bad p or range.
 */
export function randomErasing(options: RandomErasingOptions = {}): Augmentation {
  const { p = 0.5, scale = [0.02, 0.33], ratio = [0.3, 3.3], value = 0 } = options;
  requireProbability("randomErasing", p);
  requireRange("randomErasing: scale", scale, 0);
  requireRange("randomErasing: ratio", ratio, 1e-3);
  return (images) => {
    const [, , h, w] = images.shape as [number, number, number, number];
    const { y, x } = grid(images);
    const area = mul(uniform(images, ...scale), h * w);
    const stretch = exp(uniform(images, Math.log(ratio[0]), Math.log(ratio[1])));
    const length = (wanted: Tensor, most: number): Tensor => minimum(floor(add(sqrt(wanted), 0.5)), most);
    const [tall, wide] = [length(mul(area, stretch), h), length(div(area, stretch), w)];
    const start = (size: Tensor, most: number): Tensor =>
      floor(mul(uniform(images, 0, 1), add(sub(most, size), 1)));
    const [top, left] = [start(tall, h), start(wide, w)];
    const within = all(
      less(uniform(images, 0, 1), p),
      greaterEqual(y, top),
      less(y, add(top, tall)),
      greaterEqual(x, left),
      less(x, add(left, wide)),
    );
    return where(within, value, images);
  };
}

export interface ColorJitterOptions {
  /** Brightness is multiplied by 1 - b to 1 + b; 0 if left out. Likewise the others. */
  brightness?: number;
  contrast?: number;
  saturation?: number;
}

/**
 * Changes brightness, then contrast, then saturation (colour images only) by random factors, clamped to [0, 1]:
 * torchvision's `ColorJitter` in a fixed order and without hue. Throws a RangeError on a negative amount.
 */
export function colorJitter(options: ColorJitterOptions): Augmentation {
  const { brightness = 0, contrast = 0, saturation = 0 } = options;
  for (const [name, amount] of Object.entries({ brightness, contrast, saturation }))
    if (!(amount >= 0 && amount < Infinity))
      throw new RangeError(`colorJitter: ${name} is ${amount}; give a number of at least 0`);
  return (images) => {
    const factor = (amount: number): Tensor => uniform(images, Math.max(0, 1 - amount), 1 + amount);
    const blend = (x: Tensor, other: Tensor, amount: number): Tensor =>
      clamp(add(other, mul(sub(x, other), factor(amount))), { min: 0, max: 1 });
    let x = images;
    if (brightness > 0) x = clamp(mul(x, factor(brightness)), { min: 0, max: 1 });
    if (contrast > 0) x = blend(x, mean(grey(x), { axes: [1, 2, 3], keepDims: true }), contrast);
    if (saturation > 0 && x.shape[1] === 3) x = blend(x, grey(x), saturation);
    return x;
  };
}

/** [n, 1, h, w]: luminance of colour images (ITU-R 601), grey ones unchanged. */
function grey(x: Tensor): Tensor {
  if (x.shape[1] !== 3) return x;
  const weights = tensor([0.299, 0.587, 0.114], [1, 3, 1, 1]);
  return mul(mean(mul(x, weights), { axes: [1], keepDims: true }), 3);
}

/** Principal components of ImageNet's colours in [0, 1]: deviations, and the red, green and blue part of each. */
const colourDeviations = [0.2175, 0.0188, 0.0045];
const colourComponents = [
  [-0.5675, -0.5808, -0.5836],
  [0.7192, -0.0045, -0.6948],
  [0.4009, -0.814, 0.4203],
];

/**
 * AlexNet's change of lighting (Krizhevsky, Sutskever and Hinton, 2012, section 4.1): adds to each colour image a
 * multiple of the principal components of ImageNet's colours, drawn with deviation `std` (0.1 if left out). Throws a
 * RangeError on a negative deviation, and on images of other than three channels.
 */
export function pcaLighting({ std = 0.1 }: { std?: number } = {}): Augmentation {
  if (!(std >= 0 && std < Infinity))
    throw new RangeError(`pcaLighting: std is ${std}; give a number of at least 0`);
  const components = colourComponents.map((part, i) =>
    part.map((value) => value * colourDeviations[i]! * std),
  );
  return (images) => {
    const [n, channels] = images.shape as [number, number];
    if (channels !== 3) throw new RangeError(`pcaLighting: needs images of 3 channels, got ${channels}`);
    const shift = matmul(randn([n, 3]), tensor(components.flat(), [3, 3]));
    return add(images, reshape(shift, [n, 3, 1, 1]));
  };
}

/** One augmentation after the other. */
export function compose(...augmentations: readonly Augmentation[]): Augmentation {
  return (images) => augmentations.reduce((x, change) => change(x), images);
}
