import type { Batch, Dataset } from "../data/dataset.js";
import { Sequential } from "../nn/index.js";
import { gradients } from "../ops/gradients.js";
import { cast, lessEqual, sqrt, square } from "../ops/pointwise.js";
import { randomState, setRandomState } from "../ops/random.js";
import { max, mean, sum } from "../ops/reduce.js";
import { crossEntropy } from "../ops/softmax.js";
import { evaluate as compute, type Tensor } from "../tensor/tensor.js";
import type { LayerStatistics } from "../views/layer_health.js";

/**
 * Runs a network layer by layer, those inside nested networks too, and tells of each output. Layers are named by
 * their place, as parameters are, and kind: "1 ReLU", or "2.0 Conv2d" within the third. Returns the last output.
 */
export function forwardLayers(
  net: Sequential,
  x: Tensor,
  visit: (name: string, output: Tensor) => void,
  prefix = "",
): Tensor {
  [...net].forEach((layer, i) => {
    if (layer instanceof Sequential) x = forwardLayers(layer, x, visit, `${prefix}${i}.`);
    else {
      x = layer.forward(x);
      visit(`${prefix}${i} ${layer.name}`, x);
    }
  });
  return x;
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
export async function layerStatistics(net: Sequential, { x, y }: Batch): Promise<LayerStatistics> {
  const wasTraining = net.training;
  // A layer of a user's own may draw some whatever the mode.
  const random = randomState();
  net.eval();
  try {
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
    const norms = new Map(
      parameters.flatMap(([name], k) => (found[k] ? [[name, sqrt(sum(square(found[k])))] as const] : [])),
    );
    await compute(...norms.values(), ...dead.values());
    return { gradientNorms: await numbers(norms), deadShares: await numbers(dead) };
  } finally {
    net.train(wasTraining);
    setRandomState(random);
  }
}

async function numbers(tensors: ReadonlyMap<string, Tensor>): Promise<Record<string, number>> {
  const entries = await Promise.all(
    [...tensors].map(async ([name, one]) => [name, await one.item()] as const),
  );
  return Object.fromEntries(entries);
}
