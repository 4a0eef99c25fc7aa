import { UserError } from "../core/errors.js";
import type { Sequential } from "../nn/index.js";
import { alexnet } from "./alexnet.js";
import type { ImageShape } from "./image_shape.js";
import { lenet } from "./lenet.js";
import { mlp, softmaxRegression } from "./mlp.js";

export { alexnet, lenet, mlp, softmaxRegression };

export type Builder = (inputShape?: ImageShape, classes?: number) => Sequential;

export interface ModelEntry {
  readonly build: Builder;
  /** Height and width its input is made for. */
  readonly size: number;
}

const registry = {
  alexnet: { build: alexnet, size: 224 },
  lenet: { build: lenet, size: 28 },
  mlp: { build: mlp, size: 28 },
  softmax: { build: softmaxRegression, size: 28 },
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
