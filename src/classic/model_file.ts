import { readFile } from "node:fs/promises";
import { atomicWrite } from "../core/atomic_write.js";
import { type DType, dtypeOf, hostArray } from "../core/dtype.js";
import { fileProblem, UserError } from "../core/errors.js";
import {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsDtype,
  type StoredTensor,
} from "../train/safetensors.js";
import type { Classifier, Estimator, ModelState, StoredArray, Transformer } from "./estimator.js";
import { Forest } from "./forest.js";
import { KMeans } from "./k_means.js";
import { KNeighborsClassifier } from "./k_neighbors.js";
import { LinearSvc } from "./linear_svc.js";
import { LogisticRegression } from "./logistic_regression.js";
import { Pca } from "./pca.js";
import { Pipeline } from "./pipeline.js";
import { RandomConvFeatures } from "./random_conv_features.js";
import { StandardScaler } from "./standard_scaler.js";
import { Svc } from "./svc.js";
import { VisualWords } from "./visual_words.js";

const makers: Readonly<
  Record<string, (settings: Readonly<Record<string, unknown>>, parts: readonly Estimator[]) => Estimator>
> = {
  extraTreesClassifier: (settings) => new Forest("extraTreesClassifier", settings),
  kMeans: (settings) => new KMeans(settings),
  kNeighborsClassifier: (settings) => new KNeighborsClassifier(settings),
  linearSvc: (settings) => new LinearSvc(settings),
  logisticRegression: (settings) => new LogisticRegression(settings),
  pca: (settings) => new Pca(settings),
  pipeline: (_, parts) => new Pipeline(parts.slice(0, -1) as Transformer[], parts.at(-1) as Classifier),
  randomConvFeatures: (settings) => new RandomConvFeatures(settings),
  randomForestClassifier: (settings) => new Forest("randomForestClassifier", settings),
  standardScaler: () => new StandardScaler(),
  svc: (settings) => new Svc(settings),
  visualWords: (settings) => new VisualWords(settings),
};

const format = "flybrick-classic";
const version = "2";

/** A model in the file's header: where its arrays lie is said by their names. */
interface Outline {
  readonly kind: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly numbers: Readonly<Record<string, number>>;
  readonly parts?: readonly Outline[];
}

const dtypes = { f32: "F32", i32: "I32", u8: "U8" } as const;
const hostTypes: Partial<Record<SafetensorsDtype, DType>> = { F32: "f32", I32: "i32", U8: "u8" };

/**
 * Writes a fitted model as safetensors whose metadata hold its kind and settings as JSON, whole or not at all.
 * Throws a UserError where it is not fitted or the file cannot be written.
 */
export async function saveModel(model: Estimator, path: string): Promise<void> {
  const tensors = new Map<string, StoredTensor>();
  const outline = outlineOf(model.state(), "", tensors);
  await atomicWrite(path, encodeSafetensors(tensors, { format, version, model: JSON.stringify(outline) }));
}

function outlineOf(
  { kind, settings, numbers, arrays, parts }: ModelState,
  prefix: string,
  to: Map<string, StoredTensor>,
): Outline {
  for (const [name, { values, shape }] of Object.entries(arrays)) {
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    to.set(`${prefix}${name}`, { dtype: dtypes[dtypeOf(values)], shape, data });
  }
  if (!parts) return { kind, settings, numbers };
  return { kind, settings, numbers, parts: parts.map((part, i) => outlineOf(part, `${prefix}${i}.`, to)) };
}

/** Reads what `saveModel` wrote. Throws a UserError where the file is missing, damaged or holds something else. */
export async function loadModel(path: string): Promise<Estimator> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new UserError(
      `${path} cannot be read, because ${fileProblem(error)}: name a model that was saved.`,
    );
  });
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  if (metadata.format !== format || metadata.version !== version)
    throw new UserError(
      `${path} holds ${metadata.format ?? "no classic model"}, version ${metadata.version}; name a file that saveModel of this version wrote`,
    );
  try {
    return restore(JSON.parse(metadata.model!), "", tensors);
  } catch (error) {
    throw new UserError(`${path} is not a sound model: ${(error as Error).message}; save it again`, {
      cause: error,
    });
  }
}

function restore(
  { kind, settings, numbers, parts = [] }: Outline,
  prefix: string,
  tensors: ReadonlyMap<string, StoredTensor>,
): Estimator {
  const make = makers[kind];
  if (!make) throw new UserError(`there is no model of kind ${JSON.stringify(kind)}`);
  const restored = parts.map((part, i) => restore(part, `${prefix}${i}.`, tensors));
  return make(settings, restored).restore({ kind, settings, numbers, arrays: arraysUnder(prefix, tensors) });
}

/** The arrays of one model; asking for one that is missing throws. */
function arraysUnder(
  prefix: string,
  tensors: ReadonlyMap<string, StoredTensor>,
): Record<string, StoredArray> {
  return new Proxy({} as Record<string, StoredArray>, {
    get(_, name: string) {
      const found = tensors.get(`${prefix}${name}`);
      const type = found && hostTypes[found.dtype];
      if (!type) throw new UserError(`it lacks ${prefix}${name}`);
      // A copy, so that the file's bytes need not stay.
      return { values: hostArray(type, new Uint8Array(found.data)), shape: found.shape };
    },
  });
}
