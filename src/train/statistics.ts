import type { Batch, Dataset } from "../data/dataset.js";
import type { Module, Sequential } from "../nn/index.js";
import { listenToLayers } from "../nn/module.js";
import { gradients } from "../ops/gradients.js";
import { cast, lessEqual, sqrt, square } from "../ops/pointwise.js";
import { randomState, setRandomState } from "../ops/random.js";
import { max, mean, sum } from "../ops/reduce.js";
import { crossEntropy } from "../ops/softmax.js";
import { evaluate as compute, type Tensor } from "../tensor/tensor.js";
import type { LayerStatistics } from "../views/layer_health.js";

/**
 * Runs a network and tells of the output of each layer that holds no others, in the order of the computation. Layers are
 * named by their place, as parameters are, and kind: "1 ReLU", "2.0 Conv2d" within the third, "4.body.1 ReLU" within a
 * residual block. Returns the network's output.
 */
export function forwardLayers(net: Module, x: Tensor, visit: (name: string, output: Tensor) => void): Tensor {
  const names = placesOf(net);
  // A layer that stands at several places is run in their order.
  return listenToLayers(
    (layer, output) => {
      const name = names.get(layer)?.shift();
      if (name !== undefined) visit(name, output);
    },
    () => net.forward(x),
  );
}

/** The names of the layers that hold no others. */
function placesOf(net: Module): Map<Module, string[]> {
  const names = new Map<Module, string[]>();
  const walk = (parent: Module, prefix: string): void => {
    for (const [place, layer] of parent.namedChildren()) {
      const path = `${prefix}${place}`;
      if (layer.namedChildren().size > 0) walk(layer, `${path}.`);
      else names.set(layer, [...(names.get(layer) ?? []), `${path} ${layer.name}`]);
    }
  };
  walk(net, "");
  return names;
}

/** A set's first images: where layers are measured, so that epochs compare. Training sets may change theirs each time. */
export function fixedBatch(testSet: Dataset, size = 64): Batch {
  return testSet.batch(Int32Array.from({ length: Math.min(size, testSet.count) }, (_, k) => k));
}

/**
 * Gradient norm by parameter and share of dead ReLUs by layer on one batch, for a line of `metrics.jsonl`. A ReLU's
 * channel (or feature, behind a linear layer) is dead where it is 0 for the whole batch. Dropout is off; random
 * numbers, training mode, weights and their `grad` stay as they were, so that training goes on to the same bits.
 * Waits for the device.
 */
export async function layerStatistics(net: Sequential, batch: Batch): Promise<LayerStatistics> {
  const { norms, dead } = recordStatistics(net, batch);
  await compute(...norms.values(), ...dead.values());
  return { gradientNorms: await itemsOf(norms), deadShares: await itemsOf(dead) };
}

/** What `layerStatistics` computes, recorded, with the gradients themselves. */
export function recordStatistics(net: Sequential, { x, y }: Batch) {
  return inEvaluation(net, () => {
    const dead = new Map<string, Tensor>();
    const logits = forwardLayers(net, x, (name, output) => {
      if (!name.endsWith(" ReLU")) return;
      const axes = output.shape.map((_, axis) => axis).filter((axis) => axis !== 1);
      dead.set(name, mean(cast(lessEqual(max(output.detach(), { axes }), 0), "f32")));
    });
    const parameters = [...net.namedParameters()].filter(([, parameter]) => parameter.requiresGrad);
    const found = gradients(
      crossEntropy(logits, y),
      parameters.map(([, parameter]) => parameter),
    );
    const byName = new Map(parameters.flatMap(([name], k) => (found[k] ? [[name, found[k]] as const] : [])));
    const norms = new Map(
      [...byName].map(([name, gradient]) => [name, sqrt(sum(square(gradient)))] as const),
    );
    return { norms, dead, gradients: byName };
  });
}

/** Records with dropout off; random numbers and training mode stay as they were. */
export function inEvaluation<T>(net: Module, record: () => T): T {
  const wasTraining = net.training;
  // A layer of a user's own may draw some whatever the mode.
  const random = randomState();
  net.eval();
  try {
    return record();
  } finally {
    net.train(wasTraining);
    setRandomState(random);
  }
}

export async function itemsOf(tensors: ReadonlyMap<string, Tensor>): Promise<Record<string, number>> {
  const entries = await Promise.all(
    [...tensors].map(async ([name, one]) => [name, await one.item()] as const),
  );
  return Object.fromEntries(entries);
}
