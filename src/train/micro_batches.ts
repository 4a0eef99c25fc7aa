import { UserError } from "../core/errors.js";
import type { Batch, Dataset } from "../data/dataset.js";
import type { Module } from "../nn/index.js";
import { zeros } from "../ops/creation.js";
import { backward } from "../ops/gradients.js";
import { flip } from "../ops/movement.js";
import { add, mul } from "../ops/pointwise.js";
import { drawFor, randomState, setRandomState } from "../ops/random.js";
import { crossEntropy } from "../ops/softmax.js";
import { GradientSums } from "../optim/gradient_sums.js";
import { evaluate as compute, type Tensor, variable } from "../tensor/tensor.js";
import { hitsOf } from "./evaluate.js";
import type { Exchange } from "./exchange.js";
import { mix } from "./mixup.js";
import type { Ranks } from "./ranks.js";

/** What a batch gave, recorded: its mean loss, f32 [], whose gradients its parameters hold, and how often it was right, f32 []. */
export interface BatchOutcome {
  readonly loss: Tensor;
  readonly hits: Tensor;
}

interface Sums {
  readonly loss: Tensor;
  readonly hits: Tensor;
  readonly gradients: GradientSums;
}

/**
 * Takes batches forward and backward, whole or in parts, whose losses and gradients are summed: micro-batches one after
 * the other, in the memory of one, and each rank's own part at the same time. The result is that of the whole batch up to
 * the order of sums. Random numbers belong to an example's place in the batch, so that dropout and augmentation are the same.
 */
export class MicroBatches {
  /** Of host time spent on recording batches. */
  dataSeconds = 0;
  /** With the other ranks, once there was a batch. */
  exchange: Exchange | undefined;
  private sums: Sums | undefined;

  /**
   * `size`: examples of a micro-batch, null for whole batches. Throws a UserError where the network cannot take a batch
   * of `batchSize` in parts.
   */
  constructor(
    private readonly net: Module,
    private readonly set: Dataset,
    private readonly batchSize: number,
    private readonly labelSmoothing: number,
    public size: number | null,
    private readonly ranks: Ranks,
  ) {
    const divided = ranks.size > 1 && wholeBatchLayer(net);
    if (divided)
      throw new UserError(
        `${divided.name} normalizes by its whole batch of ${batchSize} while training, of which each of ${ranks.size} ranks sees a part: train with one rank, or without that layer`,
      );
    if (size === null) return;
    if (!Number.isInteger(size) || size < 1)
      throw new UserError(`microBatchSize is ${size}; give a whole number of at least 1`);
    const layer = size < batchSize && wholeBatchLayer(net);
    if (layer)
      throw new UserError(
        `microBatchSize is ${size}, but ${layer.name} normalizes by its whole batch of ${batchSize} while training: leave microBatchSize out, or take ${size} as the batch size, which is another training`,
      );
  }

  /** Halves what goes through the network at once. Returns what is in the way, a clause, where that cannot be. */
  halve(): string | undefined {
    const size = Math.min(this.size ?? this.batchSize, this.batchSize);
    const layer = wholeBatchLayer(this.net);
    if (layer) return `${layer.name} normalizes by its whole batch, which therefore cannot be split`;
    if (size === 1) return "one example at a time is too much";
    this.size = Math.ceil(size / 2);
    return undefined;
  }

  /**
   * Records the loss of the examples with these numbers and its gradients, which go to the parameters; all but the last
   * micro-batch are computed when it resolves. `share`: of an example's own in mixup, null without.
   */
  async backward(numbers: Int32Array, share: number | null): Promise<BatchOutcome> {
    const { length } = numbers;
    const part = this.ranks.part(length);
    // A rank without an example takes the first one for nothing, so that its random numbers go on as the others' do.
    const isIdle = part.first === part.end;
    const { first, end } = isIdle ? { first: 0, end: 1 } : part;
    const size = Math.min(this.size ?? length, end - first);
    if (size === length && this.ranks.size === 1) {
      const { loss, hits } = this.forward(numbers, 0, length, share, randomState());
      backward(loss);
      return { loss, hits };
    }
    this.sums ??= this.makeSums();
    const { sums } = this;
    const random = randomState();
    let running: Promise<void> = Promise.resolve();
    for (let from = first; ; from += size) {
      const to = Math.min(from + size, end);
      const part = this.forward(numbers, from, to, share, random);
      const weighted = mul(part.loss, isIdle ? 0 : (to - from) / length);
      backward(weighted);
      const own = isIdle ? mul(part.hits, 0) : part.hits;
      const loss = from === first ? weighted.detach() : add(sums.loss, weighted.detach());
      const hits = from === first ? own : add(sums.hits, own);
      if (to === end && !this.exchange) {
        sums.gradients.give();
        // Only then: the step must not be taken where one of them found no memory.
        await running;
        return { loss, hits };
      }
      sums.loss.assign(loss);
      sums.hits.assign(hits);
      sums.gradients.take(from === first);
      if (to === end) {
        await running;
        await this.exchange!.run();
        sums.gradients.give();
        return { loss: sums.loss.detach(), hits: sums.hits.detach() };
      }
      const next = compute();
      // If the one before fails, nobody waits for this one.
      next.catch(() => {});
      await running;
      running = next;
    }
  }

  private makeSums(): Sums {
    const [loss, hits] = [variable(zeros([])), variable(zeros([]))];
    const gradients = new GradientSums(this.net.parameters(), [loss, hits]);
    this.exchange = this.ranks.exchange(gradients.variables);
    return { loss, hits, gradients };
  }

  /** Examples `from` to `to` of the batch. */
  private forward(
    numbers: Int32Array,
    from: number,
    to: number,
    share: number | null,
    random: ReturnType<typeof randomState>,
  ): BatchOutcome {
    const { length } = numbers;
    const examples = (from: number, to: number): Batch => {
      setRandomState(random);
      const range = { first: from, count: to - from };
      const batch = timed(() => drawFor(range, () => this.set.batch(numbers.slice(from, to))));
      this.dataSeconds += batch.seconds;
      return batch.value;
    };
    const isWhole = from === 0 && to === length;
    // The batch turned round; its part begins at the other end.
    const others = share === null || isWhole ? null : examples(length - to, length - from);
    const { x, y } = examples(from, to);
    const logits = drawFor({ first: from, count: to - from }, () =>
      this.net.forward(share === null ? x : mix(x, flip((others ?? { x }).x, [0]), share)),
    );
    const lossOf = (labels: Tensor): Tensor =>
      crossEntropy(logits, labels, { labelSmoothing: this.labelSmoothing });
    const loss = share === null ? lossOf(y) : mix(lossOf(y), lossOf(flip((others ?? { y }).y, [0])), share);
    return { loss, hits: hitsOf(logits, y) };
  }
}

/** A layer that looks at its whole batch while training, if there is one. */
function wholeBatchLayer(net: Module): Module | undefined {
  if (net.needsWholeBatch) return net;
  for (const child of net.namedChildren().values()) {
    const found = wholeBatchLayer(child);
    if (found) return found;
  }
  return undefined;
}

export function timed<T>(make: () => T): { value: T; seconds: number } {
  const start = performance.now();
  const value = make();
  return { value, seconds: (performance.now() - start) / 1000 };
}
