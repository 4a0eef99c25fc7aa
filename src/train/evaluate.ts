import { batchCount, type Dataset } from "../data/dataset.js";
import type { Module } from "../nn/index.js";
import { full, zeros } from "../ops/creation.js";
import { add, cast, equal, mul } from "../ops/pointwise.js";
import { argmax, sum } from "../ops/reduce.js";
import { crossEntropy } from "../ops/softmax.js";
import { evaluate as compute, type Tensor, variable } from "../tensor/tensor.js";
import { type Agreeing, requireAgreement } from "./agreement.js";
import { Ranks } from "./ranks.js";

/** How many of the logits [n, classes] are largest at their label, f32 []. */
export function hitsOf(logits: Tensor, labels: Tensor): Tensor {
  return cast(sum(equal(argmax(logits.detach(), 1), labels)), "f32");
}

export interface Evaluation {
  /** Mean cross-entropy, in nats. */
  readonly loss: number;
  /** Share of examples whose largest output is the label's. */
  readonly accuracy: number;
  readonly seconds: number;
  readonly examplesPerSecond: number;
}

interface RunningSums {
  readonly loss: number;
  readonly hits: number;
  readonly examples: number;
}

/** Running sums that stay on the device: loss times examples, and hits. */
export class RunningMetrics {
  readonly loss = variable(zeros([]));
  readonly hits = variable(zeros([]));
  examples = 0;

  /** Adds the mean loss and the hits of n examples, recorded with the step that computes them. */
  add(loss: Tensor, hits: Tensor, n: number): void {
    this.examples += n;
    this.loss.assign(add(this.loss, mul(loss.detach(), n)));
    this.hits.assign(add(this.hits, hits));
  }

  /** Means over what was added; waits for the device. */
  async read(): Promise<{ loss: number; accuracy: number }> {
    const { loss, hits, examples } = await this.sums();
    const count = Math.max(1, examples);
    return { loss: loss / count, accuracy: hits / count };
  }

  reset(): void {
    this.restore({ loss: 0, hits: 0, examples: 0 });
  }

  /** The sums themselves; waits for the device. */
  async sums(): Promise<RunningSums> {
    const [loss, hits] = await Promise.all([this.loss.item(), this.hits.item()]);
    return { loss, hits, examples: this.examples };
  }

  restore({ loss, hits, examples }: RunningSums): void {
    this.examples = examples;
    this.loss.assign(full([], loss));
    this.hits.assign(full([], hits));
  }
}

/**
 * Loss and accuracy of a network on a data set, dropout off; leaves the training mode as it was. Throws a RangeError
 * where the network and the set do not agree in an example's shape or the number of classes.
 */
export async function evaluate<Net extends Module, Set extends Dataset>(
  net: Net,
  set: Agreeing<Net, Set, "set">,
  batchSize?: number,
): Promise<Evaluation>;
export async function evaluate(net: Module, set: Dataset, batchSize = 256): Promise<Evaluation> {
  return evaluateTogether(net, set, batchSize, new Ranks());
}

/** What `evaluate` finds, each rank taking its part of the set. */
export async function evaluateTogether(
  net: Module,
  set: Dataset,
  batchSize: number,
  ranks: Ranks,
): Promise<Evaluation> {
  requireAgreement(net, set, "set");
  const start = performance.now();
  const wasTraining = net.training;
  net.eval();
  try {
    const own = await sumsOver(net, set, batchSize, ranks.part(set.count));
    const [loss, hits] = (await ranks.sum([own.loss, own.hits])) as [number, number];
    const seconds = (performance.now() - start) / 1000;
    return {
      loss: loss / set.count,
      accuracy: hits / set.count,
      seconds,
      examplesPerSecond: set.count / seconds,
    };
  } finally {
    net.train(wasTraining);
  }
}

/** Over examples `first` to `end` of a set. */
async function sumsOver(
  net: Module,
  set: Dataset,
  batchSize: number,
  { first, end }: { first: number; end: number },
): Promise<RunningSums> {
  const metrics = new RunningMetrics();
  if (first === end) return metrics.sums();
  const size = Math.min(batchSize, end - first);
  const count = batchCount(end - first, size);
  let running: Promise<void> = Promise.resolve();
  for (let i = 0; i < count; i++) {
    const from = first + i * size;
    const { x, y } = set.batch(Int32Array.from({ length: Math.min(size, end - from) }, (_, k) => from + k));
    const logits = net.forward(x);
    metrics.add(crossEntropy(logits, y), hitsOf(logits, y), y.shape[0]!);
    const next = compute();
    // If the one before fails, nobody waits for this one.
    next.catch(() => {});
    await running;
    running = next;
  }
  await running;
  return metrics.sums();
}
