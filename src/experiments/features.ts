import {
  concatFeatures,
  type HogOptions,
  hogFeatures,
  type Matrix,
  matrix,
  pca,
  pixelFeatures,
  randomConvFeatures,
  type Transformer,
  visualWords,
  type WorkOptions,
} from "../classic/index.js";
import { type ImageSet, type LabelledImages, shuffledOrder } from "../data/index.js";

/** Training and test images in numbers, row by row. */
export interface Features {
  readonly train: Matrix;
  readonly test: Matrix;
}

/** What features are made of. */
export interface FeatureSource {
  readonly data: ImageSet;
  /** Pixels to what the last layer of the trained AlexNet reads; AlexNet is trained first where nobody has. */
  readonly alexnet: () => Promise<Transformer>;
  readonly seed: number;
}

/** A way to describe images: given by people, or learned. */
export interface FeatureSet {
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Whether the trained AlexNet makes them, or some of them. */
  readonly isLearned?: boolean;
  make(source: FeatureSource, work: WorkOptions): Promise<Features>;
}

const components = 50;
const hog = { orientations: 9, pixelsPerCell: [4, 4], cellsPerBlock: [2, 2] } as const;
/** As in Dalal and Triggs's paper; signs were chosen on training images that were held out. */
const interpolatedHog = { ...hog, signed: true, interpolate: true } as const;
const words = { nWords: 256, patchSize: 6, assignment: "soft" } as const;
const filters = { nFilters: 64, kernelSize: 5, poolSize: 4 } as const;
/** Powers of ten that a pixel may be stretched or shrunk by. */
const decades = 2;

/** The name of the features that a network learned. */
export const learnedFeatures = "AlexNet's features";

export const featureSets: readonly FeatureSet[] = [
  {
    name: "pixels",
    settings: {},
    make: async ({ data }) => ofBoth(data, pixelFeatures),
  },
  {
    name: "badly scaled pixels",
    settings: { decades },
    make: async ({ data, seed }) => {
      const { train, test } = ofBoth(data, pixelFeatures);
      const scales = scalesOf(train.columns, seed);
      return { train: scaled(train, scales), test: scaled(test, scales) };
    },
  },
  {
    name: "PCA",
    settings: { components },
    make: ({ data }, work) => learned(data, pca({ nComponents: components }), work),
  },
  {
    name: "HOG",
    settings: hog,
    make: ({ data }, work) => hogOf(data, hog, work),
  },
  {
    name: "interpolated HOG",
    settings: interpolatedHog,
    make: ({ data }, work) => hogOf(data, interpolatedHog, work),
  },
  {
    name: "HOG and pixels",
    settings: hog,
    make: async ({ data }, work) => besides(await hogOf(data, hog, work), ofBoth(data, pixelFeatures)),
  },
  {
    name: "visual words",
    settings: words,
    make: ({ data, seed }, work) => learned(data, visualWords({ ...words, randomState: seed }), work),
  },
  {
    name: "random convolutions",
    settings: filters,
    make: ({ data, seed }, work) =>
      learned(data, randomConvFeatures({ ...filters, randomState: seed }), work),
  },
  {
    name: learnedFeatures,
    settings: {},
    isLearned: true,
    make: async ({ data, alexnet }, work) => learned(data, await alexnet(), work),
  },
  {
    name: "AlexNet's features and HOG",
    settings: hog,
    isLearned: true,
    make: async ({ data, alexnet }, work) =>
      besides(await learned(data, await alexnet(), work), await hogOf(data, hog, work)),
  },
];

/** Features beside others that are scaled to vary as much in all, or distances would hardly see the smaller ones. */
function besides(features: Features, others: Features): Features {
  const scale = Math.sqrt(totalVariance(features.train) / totalVariance(others.train));
  const scales = new Float32Array(others.train.columns).fill(scale);
  return {
    train: concatFeatures(features.train, scaled(others.train, scales)),
    test: concatFeatures(features.test, scaled(others.test, scales)),
  };
}

/** Of all columns together. */
function totalVariance({ values, rows, columns }: Matrix): number {
  const [sums, squares] = [new Float64Array(columns), new Float64Array(columns)];
  for (let i = 0; i < values.length; i++) {
    sums[i % columns]! += values[i]!;
    squares[i % columns]! += values[i]! ** 2;
  }
  return sums.reduce((total, sum, j) => total + squares[j]! / rows - (sum / rows) ** 2, 0);
}

async function hogOf({ train, test }: ImageSet, options: HogOptions, work: WorkOptions): Promise<Features> {
  return { train: await hogFeatures(train, options, work), test: await hogFeatures(test, options, work) };
}

function ofBoth({ train, test }: ImageSet, make: (images: LabelledImages) => Matrix): Features {
  return { train: make(train), test: make(test) };
}

/** What a transformer that saw the training pixels makes of all. */
async function learned(data: ImageSet, transformer: Transformer, work: WorkOptions): Promise<Features> {
  const { train, test } = ofBoth(data, pixelFeatures);
  await transformer.fit(train, work);
  return { train: await transformer.transform(train, work), test: await transformer.transform(test, work) };
}

/** As many powers of ten, spread evenly over `decades` either way, in an order that the seed decides. */
function scalesOf(columns: number, seed: number): Float32Array {
  const order = shuffledOrder(columns, seed, 0);
  return Float32Array.from(order, (place) => 10 ** (decades * ((2 * place) / Math.max(1, columns - 1) - 1)));
}

function scaled({ values, rows, columns }: Matrix, scales: Float32Array): Matrix {
  return matrix(
    values.map((value, i) => value * scales[i % columns]!),
    rows,
    columns,
  );
}
