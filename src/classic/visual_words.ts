import { shuffledOrder } from "../data/batches.js";
import { conv2d } from "../ops/conv.js";
import { arange } from "../ops/creation.js";
import { matmul } from "../ops/matmul.js";
import { concat, permute, reshape, slice, transpose, unsqueeze } from "../ops/movement.js";
import { add, cast, div, equal, maximum, mul, relu, sqrt, square, sub } from "../ops/pointwise.js";
import { argmax, mean, sum } from "../ops/reduce.js";
import { type Tensor, tensor } from "../tensor/tensor.js";
import { isCount, requireSeed, requireSetting, Stepper, Transformer, type WorkOptions } from "./estimator.js";
import { type HogOptions, hogBlocks } from "./hog.js";
import { type ImageShape, imageShapeOf, imageTensor, mapBatches } from "./images.js";
import { kMeans } from "./k_means.js";
import { type Matrix, matrix, row, rowBlocks, squaredNorms, takeRows, zeroMatrix } from "./matrix.js";
import { pca } from "./pca.js";

export interface VisualWordsOptions {
  /** Words of the vocabulary; 256 if left out. */
  readonly nWords?: number;
  /** What is told of a place: its patch, contrast-normalised and whitened, or its block of HOG; `patch` if left out. */
  readonly descriptor?: "patch" | "hog";
  /** Height and width of a patch; 6 if left out. */
  readonly patchSize?: number;
  /** Pixels from patch to patch; 1 if left out. */
  readonly stride?: number;
  /** Of the blocks; cells of 4 x 4 pixels and blocks of 2 x 2 cells if left out. */
  readonly hog?: HogOptions;
  /**
   * How a place counts: for its nearest word (Csurka et al., 2004), or for each word by how much nearer than the words'
   * average it is (Coates and Ng's triangle); `hard` if left out.
   */
  readonly assignment?: "hard" | "soft";
  /** Grids of regions, each with its own histogram; [1, 2] if left out: the whole image and its quarters. */
  readonly pyramid?: readonly number[];
  /** Places, of images drawn at random, that the vocabulary is learned from at most; 50,000 if left out. */
  readonly nDescriptors?: number;
  /** Passes of k-means at most; 50 if left out. */
  readonly maxIter?: number;
  /** Height and width of the images in a row of pixels; squares if left out. */
  readonly imageSize?: readonly [number, number];
  /** Of the places and the vocabulary; 0 if left out. */
  readonly randomState?: number;
}

/** Places that an image gives to the vocabulary at most, so that many images do. */
const placesPerImage = 25;
/** Scores of a batch's places by all words take so many numbers at most. */
const batchNumbers = 1 << 22;
/** As Coates and Ng's 10 for pixels up to 255: the variance of a patch that is noise. */
const noise = 10 / 255 ** 2;
/** Added to each component's variance before whitening, as there. */
const least = 0.1;

/** Descriptors of an image's places: [images, rows, columns, numbers] once recorded. */
interface Places {
  readonly grid: readonly [number, number];
  readonly length: number;
  record(block: Matrix): Tensor;
}

/** Grey images, as rows of pixels in [0, 1], to histograms of the visual words at their places. */
export class VisualWords extends Transformer {
  readonly kind = "visualWords";
  protected readonly learned = ["mean", "directions", "words"];
  /** Taken from every descriptor. */
  private mean = new Float32Array(0);
  /** What whitens descriptors of patches, [numbers, numbers]; those of HOG stay as they are, and this empty. */
  private directions: Matrix = zeroMatrix(0, 0);
  /** [words, numbers] */
  words: Matrix = zeroMatrix(0, 0);

  constructor(readonly options: VisualWordsOptions = {}) {
    super();
    const { nWords = 256, descriptor = "patch", patchSize = 6, stride = 1, assignment = "hard" } = options;
    const { nDescriptors = 50_000, maxIter = 50, randomState = 0 } = options;
    const { pyramid } = this;
    const counts = { nWords, stride, nDescriptors, maxIter };
    for (const [name, value] of Object.entries(counts))
      requireSetting(isCount(value), name, value, "a whole number of at least 1");
    requireSetting(descriptor === "patch" || descriptor === "hog", "descriptor", descriptor, "patch or hog");
    requireSetting(
      isCount(patchSize) && patchSize > 1,
      "patchSize",
      patchSize,
      "a whole number of at least 2",
    );
    requireSetting(assignment === "hard" || assignment === "soft", "assignment", assignment, "hard or soft");
    requireSetting(
      pyramid.length > 0 && pyramid.every(isCount),
      "pyramid",
      `[${pyramid}]`,
      "whole numbers of at least 1",
    );
    requireSeed(randomState);
  }

  protected override async learn(x: Matrix, options: WorkOptions): Promise<void> {
    const { nWords = 256, descriptor = "patch", maxIter = 50, randomState = 0 } = this.options;
    const places = this.placesOf(x);
    const { pyramid } = this;
    requireSetting(
      Math.max(...pyramid) <= Math.min(...places.grid),
      "pyramid",
      `[${pyramid}]`,
      `no more regions a side than the ${places.grid.join(" x ")} places of an image`,
    );
    const sample = await this.sample(x, places, options);
    requireSetting(
      nWords <= sample.rows,
      "nWords",
      nWords,
      `at most the ${sample.rows} places that are looked at`,
    );
    const whitening = descriptor === "patch" ? await fitWhitening(sample, options) : none(places.length);
    const seen = await mapBatches(
      sample,
      4096,
      whitening.directions.rows || places.length,
      (some) => whiten(tensor(some.values, [some.rows, some.columns]), whitening),
      options,
    );
    const vocabulary = await kMeans({ nClusters: nWords, maxIter, randomState }).fit(seen, options);
    this.mean = whitening.mean;
    this.directions = whitening.directions;
    this.words = vocabulary.clusterCenters;
  }

  protected override apply(x: Matrix, options: WorkOptions): Promise<Matrix> {
    const { mean: offsets, directions, words, pyramid } = this;
    const places = this.placesOf(x);
    const [rows, columns] = places.grid;
    const regions = pyramid.flatMap((side) => regionsOf(places.grid, side));
    const vocabulary: Vocabulary = {
      words: transpose(tensor(words.values, [words.rows, words.columns])),
      halfNorms: tensor(squaredNorms(words).map((norm) => norm / 2)),
    };
    const vote = this.options.assignment === "soft" ? softVotes : hardVotes;
    const record = (block: Matrix): Tensor => {
      const each = reshape(places.record(block), [block.rows * rows * columns, places.length]);
      const votes = vote(whiten(each, { mean: offsets, directions }), vocabulary);
      const map = reshape(votes, [block.rows, rows, columns, words.rows]);
      const histograms = regions.map(([top, bottom, left, right]) =>
        mean(slice(map, [0, top, left, 0], [block.rows, bottom, right, words.rows]), { axes: [1, 2] }),
      );
      return concat(histograms as Tensor[], 1);
    };
    const batchSize = Math.max(1, Math.floor(batchNumbers / (rows * columns * words.rows)));
    return mapBatches(x, batchSize, regions.length * words.rows, record, options);
  }

  private get pyramid(): readonly number[] {
    return this.options.pyramid ?? [1, 2];
  }

  private placesOf(x: Matrix): Places {
    const { descriptor = "patch", patchSize = 6, stride = 1, hog = {}, imageSize } = this.options;
    const shape = imageShapeOf(x.columns, 1, imageSize);
    if (descriptor === "hog")
      return hogPlaces(shape, { pixelsPerCell: [4, 4], cellsPerBlock: [2, 2], ...hog });
    const most = Math.min(shape[1], shape[2]);
    requireSetting(patchSize <= most, "patchSize", patchSize, `at most the images' smaller side, ${most}`);
    return patchPlaces(shape, patchSize, stride);
  }

  /** Descriptors of places drawn at random, from images drawn at random. */
  private async sample(x: Matrix, places: Places, options: WorkOptions): Promise<Matrix> {
    const { nDescriptors = 50_000, randomState = 0 } = this.options;
    const all = places.grid[0] * places.grid[1];
    const images = Math.min(x.rows, Math.ceil(nDescriptors / Math.min(placesPerImage, all)));
    const each = Math.min(all, Math.floor(nDescriptors / images));
    const some = takeRows(x, shuffledOrder(x.rows, randomState, 0).subarray(0, images));
    const out = zeroMatrix(images * each, places.length);
    const stepper = new Stepper(options, "examples", images);
    for (const { start, block } of rowBlocks(some, 64)) {
      const found = matrix(await places.record(block).data(), block.rows * all, places.length);
      for (let i = 0; i < block.rows; i++) {
        const chosen = shuffledOrder(all, randomState, 1 + start + i).subarray(0, each);
        for (const [k, place] of chosen.entries())
          row(out, (start + i) * each + k).set(row(found, i * all + place));
      }
      await stepper.step(start + block.rows);
    }
    return out;
  }
}

/**
 * A bag of visual words: k-means learns a vocabulary of local descriptors, and an image becomes the share of each word
 * among its places, region by region (Csurka et al., 2004; Lazebnik et al., 2006; patches as Coates, Ng and Lee, 2011).
 * [images, regions x words]. Throws a UserError on impossible settings, and from `fit` on images they do not suit.
 */
export function visualWords(options: VisualWordsOptions = {}): VisualWords {
  return new VisualWords(options);
}

/** Patches, less their mean and over their deviation. A convolution with one filter a pixel cuts them out. */
function patchPlaces(shape: ImageShape, size: number, stride: number): Places {
  const length = size * size;
  const pixels = new Float32Array(length * length);
  for (let i = 0; i < length; i++) pixels[i * length + i] = 1;
  const cut = tensor(pixels, [length, 1, size, size]);
  return {
    grid: [gridOf(shape[1], size, stride), gridOf(shape[2], size, stride)],
    length,
    record(block) {
      const patches: Tensor = permute(conv2d(imageTensor(block, shape), cut, null, { stride }), [0, 2, 3, 1]);
      const contrast: Tensor = sub(patches, mean(patches, { axes: [3], keepDims: true }));
      const variance: Tensor = mean(square(contrast), { axes: [3], keepDims: true });
      return div(contrast, sqrt(add(variance, noise)));
    },
  };
}

function gridOf(side: number, size: number, stride: number): number {
  return Math.floor((side - size) / stride) + 1;
}

function hogPlaces([, height, width]: ImageShape, options: HogOptions): Places {
  const { blocks, blockLength, describe } = hogBlocks(height, width, options);
  const numbers = blocks[0] * blocks[1] * blockLength;
  return {
    grid: blocks,
    length: blockLength,
    record(block) {
      const found = zeroMatrix(block.rows, numbers);
      for (let i = 0; i < block.rows; i++) describe(Float64Array.from(row(block, i)), row(found, i));
      return tensor(found.values, [block.rows, ...blocks, blockLength]);
    },
  };
}

/** Takes the mean, then the product with each direction; nothing where there are none. */
interface Whitening {
  readonly mean: Float32Array<ArrayBuffer>;
  readonly directions: Matrix;
}

function none(columns: number): Whitening {
  return { mean: new Float32Array(columns), directions: zeroMatrix(0, columns) };
}

async function fitWhitening(sample: Matrix, options: WorkOptions): Promise<Whitening> {
  const { mean, components, explainedVariance } = await pca().fit(sample, options);
  const directions = zeroMatrix(components.rows, components.columns);
  for (let i = 0; i < directions.rows; i++) {
    const scale = 1 / Math.sqrt(explainedVariance[i]! + least);
    row(directions, i).set(row(components, i).map((value) => value * scale));
  }
  return { mean, directions };
}

function whiten(x: Tensor, { mean, directions }: Whitening): Tensor {
  const { rows, columns, values } = directions;
  if (rows === 0) return x;
  return matmul(sub(x, tensor(mean)), transpose(tensor(values, [rows, columns])));
}

interface Vocabulary {
  /** [numbers, words] */
  readonly words: Tensor;
  readonly halfNorms: Tensor;
}

/** 1 for the nearest word. */
function hardVotes(places: Tensor, { words, halfNorms }: Vocabulary): Tensor {
  const nearest = argmax(sub(matmul(places, words), halfNorms) as Tensor, 1);
  return cast(equal(unsqueeze(nearest, 1), arange(halfNorms.shape[0]!)), "f32");
}

/** How much nearer than the average of all words each one is, or 0. */
function softVotes(places: Tensor, { words, halfNorms }: Vocabulary): Tensor {
  const squares: Tensor = sum(square(places), { axes: [1], keepDims: true });
  const nearness: Tensor = sub(matmul(places, words), halfNorms);
  const distances: Tensor = sqrt(maximum(sub(squares, mul(nearness, 2)), 0));
  return relu(sub(mean(distances, { axes: [1], keepDims: true }), distances));
}

/** Top, bottom, left and right of a grid of regions; ends are left out. */
function regionsOf([rows, columns]: Places["grid"], side: number): [number, number, number, number][] {
  const edge = (size: number, k: number): number => Math.floor((size * k) / side);
  return Array.from({ length: side * side }, (_, i) => {
    const [r, c] = [Math.floor(i / side), i % side];
    return [edge(rows, r), edge(rows, r + 1), edge(columns, c), edge(columns, c + 1)];
  });
}
