import { UserError } from "../core/errors.js";
import type { Sequential } from "../nn/index.js";
import { alexnet } from "./alexnet.js";
import type { ImageShape } from "./image_shape.js";
import { lenet } from "./lenet.js";
import { mlp, softmaxRegression } from "./mlp.js";

export type { ImageShape };
export { alexnet, lenet, mlp, softmaxRegression };

export type Builder = (inputShape?: ImageShape, classes?: number) => Sequential;

export interface ModelEntry {
  /** As people write it. */
  readonly title: string;
  readonly build: Builder;
  /** Height and width its input is made for. */
  readonly size: number;
  readonly published?: PublishedResult;
}

/** What "Dive into Deep Learning" prints for its own run: ten epochs on all 60,000 images of Fashion-MNIST. */
export interface PublishedResult {
  readonly loss: number;
  readonly trainAccuracy: number;
  readonly testAccuracy: number;
}

const registry = {
  alexnet: {
    title: "AlexNet",
    build: alexnet,
    size: 224,
    published: { loss: 0.331, trainAccuracy: 0.878, testAccuracy: 0.883 },
  },
  lenet: {
    title: "LeNet",
    build: lenet,
    size: 28,
    published: { loss: 0.469, trainAccuracy: 0.823, testAccuracy: 0.779 },
  },
  mlp: { title: "MLP", build: mlp, size: 28 },
  softmax: { title: "Softmax regression", build: softmaxRegression, size: 28 },
} satisfies Record<string, ModelEntry>;

export type ModelName = keyof typeof registry;
export const modelNames = Object.keys(registry) as ModelName[];

/** A model by name. Throws a UserError that lists the names. */
export function findModel(name: string): ModelEntry {
  const found: ModelEntry | undefined = Object.hasOwn(registry, name)
    ? registry[name as ModelName]
    : undefined;
  if (!found)
    throw new UserError(
      `there is no model named ${JSON.stringify(name)}; choose one of ${modelNames.join(", ")}`,
    );
  return found;
}
