import {
  type Classifier,
  kNeighborsClassifier,
  linearSvc,
  logisticRegression,
  randomForestClassifier,
  svc,
} from "../classic/index.js";
import type { ModelName } from "../models/index.js";
import { type RecipeSettings, recipes } from "../train/recipes.js";
import { type FeatureSet, featureSets } from "./features.js";

interface Named {
  readonly name: string;
}

/** A learner that is given its features. */
export interface Learner extends Named {
  readonly make: (seed: number) => Classifier;
  /** Whether the CPU device's addon fits it, and no other device can. */
  readonly isNative?: true;
}

const learners: readonly Learner[] = [
  { name: "softmax", make: () => logisticRegression({ C: 1, maxIter: 200 }) },
  { name: "nearest neighbours", make: () => kNeighborsClassifier({ nNeighbors: 5 }) },
  {
    name: "linear SVM",
    make: (randomState) => linearSvc({ C: 0.1, maxIter: 200, randomState }),
    isNative: true,
  },
  { name: "RBF SVM", make: () => svc({ C: 10, cacheSize: 4096 }), isNative: true },
  {
    name: "random forest",
    make: (randomState) => randomForestClassifier({ nEstimators: 100, randomState }),
    isNative: true,
  },
];

/** A network that learns its features, as it is trained here. */
export interface Network extends Named {
  readonly model: ModelName;
  readonly recipe: RecipeSettings;
  readonly epochs: { readonly sample: number; readonly full: number };
}

const networks: readonly Network[] = [
  { name: "MLP", model: "mlp", recipe: recipes.fast, epochs: { sample: 20, full: 10 } },
  {
    name: "LeNet",
    model: "lenet",
    // As the weights that ship were trained: sigmoids learn little by plain descent.
    recipe: {
      ...recipes.notebook,
      optimizer: "adamw",
      learningRate: 0.004,
      weightDecay: 0.01,
      schedule: "cosine",
      warmupSteps: 300,
      normalize: true,
    },
    epochs: { sample: 60, full: 30 },
  },
  { name: "AlexNet", model: "alexnet", recipe: recipes.fast, epochs: { sample: 4, full: 2 } },
];

/** What is compared. */
export interface ComparisonPlan {
  /** One of them is named AlexNet; its features are those that are learned. */
  readonly networks: readonly Network[];
  readonly featureSets: readonly FeatureSet[];
  readonly learners: readonly Learner[];
}

export const threeEras: ComparisonPlan = { networks, featureSets, learners };

/** The names of a plan's rows: those of networks, then those of features. */
export function rowNames({ networks, featureSets }: ComparisonPlan): string[] {
  return [...networks, ...featureSets].map(({ name }) => name);
}

/** The names of a plan's learners, in the order of tables and charts. */
export function learnerNames({ learners }: ComparisonPlan): string[] {
  return learners.map(({ name }) => name);
}
