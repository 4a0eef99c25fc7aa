import { UserError } from "../core/errors.js";
import { call, constant } from "../core/expression.js";
import { batches, shuffledOrder } from "../data/batches.js";
import { batchCount, type Dataset } from "../data/dataset.js";
import type { Device } from "../devices/device.js";
import { type Initializer, initialize, type Module, xavierUniform } from "../nn/index.js";
import { full } from "../ops/creation.js";
import { backward } from "../ops/gradients.js";
import { less, pointwise, where } from "../ops/pointwise.js";
import { manualSeed } from "../ops/random.js";
import { crossEntropy } from "../ops/softmax.js";
import { clipGradNorm, type OptimizerRecipe, type ScheduleRecipe } from "../optim/index.js";
import { useDevice } from "../tensor/evaluate.js";
import { evaluate as compute, type Tensor, variable } from "../tensor/tensor.js";
import { type Agreeing, requireAgreement } from "./agreement.js";
import { evaluate, RunningMetrics } from "./evaluate.js";

export interface Progress {
  readonly epoch: number;
  /** Steps of this epoch that are done, of `steps`. */
  readonly step: number;
  readonly steps: number;
  /** Means since the epoch's start. */
  readonly loss: number;
  readonly accuracy: number;
  readonly examplesPerSecond: number;
}

export interface EpochResult {
  readonly epoch: number;
  /** Mean training loss of the epoch, in nats, with dropout on, as the book counts it. */
  readonly loss: number;
  readonly trainAccuracy: number;
  readonly testLoss: number;
  readonly testAccuracy: number;
  /** Of the epoch's last step. */
  readonly learningRate: number;
  /** Training examples a second, data included (they are part of the step); evaluation left out. */
  readonly examplesPerSecond: number;
  /** Of host time spent on order and batch numbers. */
  readonly dataSeconds: number;
  /** Of the epoch's training. */
  readonly trainSeconds: number;
  /** Of training and evaluation. */
  readonly seconds: number;
}

export interface TrainOptions {
  readonly trainSet: Dataset;
  readonly testSet: Dataset;
  readonly optimizer: OptimizerRecipe;
  /** What the optimizer's learning rate is multiplied by, step by step over the whole run; 1 if left out. */
  readonly schedule?: ScheduleRecipe;
  /** Gradients of a larger L2 norm, all of them together, are scaled down to it; none are if left out. */
  readonly clipGradNorm?: number;
  /** 128 if left out; the smaller last batch of an epoch is kept. */
  readonly batchSize?: number;
  /** 10 if left out. */
  readonly epochs?: number;
  /** 0 if left out. Weights, dropout and order of the data depend on it alone. */
  readonly seed?: number;
  /** How weights are drawn anew; Xavier uniform as in the book if left out, null keeps them. */
  readonly initializer?: Initializer | null;
  /** The device in use if left out. */
  readonly device?: Device;
  /** Stops after the current step. */
  readonly signal?: AbortSignal;
  /** Five times an epoch, and every `progressSeconds`. */
  readonly onProgress?: (progress: Progress) => void;
  /** Also report progress after so many seconds; reading the figures waits for the device. */
  readonly progressSeconds?: number;
  /** After each epoch, the network in evaluation order; awaited. */
  readonly onEpoch?: (result: EpochResult) => void | Promise<void>;
}

export interface TrainResult {
  readonly epochs: readonly EpochResult[];
  /** Whether `signal` stopped it. */
  readonly stopped: boolean;
  /** Steps taken. */
  readonly steps: number;
}

/** A loss that is no number: training stopped, the weights are the last that gave a finite one. */
export class DivergedError extends UserError {
  constructor(readonly step: number) {
    super(
      `the loss of step ${step} is not a finite number; the last weights that gave a finite one are kept. A lower learning rate usually helps`,
    );
  }
}

/**
 * The book's `train_ch6`: Xavier-uniform weights, softmax cross-entropy, shuffled batches, after each epoch the
 * test set. Throws a UserError where the batch is larger than the set, a RangeError where the network and a set do not
 * agree in an example's shape or the number of classes, a DivergedError on a loss that is no number.
 */
export async function train<Net extends Module, TrainSet extends Dataset, TestSet extends Dataset>(
  net: Net,
  options: Omit<TrainOptions, "trainSet" | "testSet"> & {
    readonly trainSet: Agreeing<Net, TrainSet, "trainSet">;
    readonly testSet: Agreeing<Net, TestSet, "testSet">;
  },
): Promise<TrainResult>;
export async function train(net: Module, options: TrainOptions): Promise<TrainResult> {
  const {
    trainSet,
    testSet,
    batchSize = 128,
    epochs = 10,
    seed = 0,
    initializer = xavierUniform,
    signal,
  } = options;
  if (!Number.isInteger(epochs) || epochs < 1)
    throw new UserError(`epochs is ${epochs}; give a whole number of at least 1`);
  requireAgreement(net, trainSet, "trainSet");
  requireAgreement(net, testSet, "testSet");
  const steps = batchCount(trainSet.count, batchSize);
  if (options.device) useDevice(options.device);
  manualSeed(seed);
  if (initializer) initialize(net, initializer);
  const parameters = net.parameters();
  const optimizer = options.optimizer(parameters);
  const fullRate = optimizer.learningRate;
  const schedule = options.schedule?.(steps * epochs);
  const metrics = new RunningMetrics();
  const health = new Health([...net.namedState().values()]);
  const results: EpochResult[] = [];
  const reportAt = new Set([1, 2, 3, 4, 5].map((fifth) => Math.ceil((steps * fifth) / 5)));
  net.train();

  for (let epoch = 1; epoch <= epochs; epoch++) {
    // It may have come while the last epoch was evaluated.
    if (signal?.aborted) return { epochs: results, stopped: true, steps: optimizer.steps };
    const start = performance.now();
    let dataSeconds = 0;
    metrics.reset();
    let running: Promise<void> = Promise.resolve();
    let step = 0;
    let reported = start;
    const order = timed(() => shuffledOrder(trainSet.count, seed, epoch));
    dataSeconds += order.seconds;
    for (const numbers of batches(order.value, batchSize)) {
      step++;
      const batch = timed(() => trainSet.batch(numbers));
      dataSeconds += batch.seconds;
      const { x, y } = batch.value;
      const logits = net.forward(x);
      const loss = crossEntropy(logits, y);
      metrics.add(loss, logits, y);
      backward(loss);
      if (options.clipGradNorm !== undefined) clipGradNorm(parameters, options.clipGradNorm);
      if (schedule) optimizer.learningRate = fullRate * schedule(optimizer.steps);
      const next = optimizer.step({ onlyIf: health.check(loss, optimizer.steps + 1) });
      // One step stays in flight, so the device never waits for the next one to be recorded.
      await running;
      running = next;
      const isDue =
        performance.now() - reported >= (options.progressSeconds ?? Number.POSITIVE_INFINITY) * 1000;
      if (reportAt.has(step) || isDue || signal?.aborted) {
        reported = performance.now();
        const means = await metrics.read();
        await health.throwIfDiverged();
        const examples = Math.min(trainSet.count, step * batchSize);
        const examplesPerSecond = (examples * 1000) / (performance.now() - start);
        options.onProgress?.({ epoch, step, steps, ...means, examplesPerSecond });
      }
      if (signal?.aborted) return { epochs: results, stopped: true, steps: optimizer.steps };
    }
    await running;
    const { loss, accuracy: trainAccuracy } = await metrics.read();
    const trainSeconds = (performance.now() - start) / 1000;
    const test = await evaluate(net, testSet, batchSize);
    const result: EpochResult = {
      epoch,
      loss,
      trainAccuracy,
      testLoss: test.loss,
      testAccuracy: test.accuracy,
      learningRate: optimizer.learningRate,
      examplesPerSecond: trainSet.count / trainSeconds,
      dataSeconds,
      trainSeconds,
      seconds: (performance.now() - start) / 1000,
    };
    results.push(result);
    await options.onEpoch?.(result);
  }
  return { epochs: results, stopped: false, steps: optimizer.steps };
}

/**
 * Remembers on the device the first step whose loss was no finite number, where updates stop, and the last weights
 * that gave a finite one: a bad loss comes from weights that the step before made.
 */
class Health {
  /** 0 while all is well, else the number of the step. */
  private readonly badStep: Tensor = variable(full([], 0));
  private readonly good: readonly Tensor[];

  constructor(private readonly state: readonly Tensor[]) {
    this.good = state.map((one) => variable(one.detach()));
  }

  /** 1 (i32) while every loss so far, this one included, is finite. Call it before the step that changes the weights. */
  check(loss: Tensor, step: number): Tensor {
    const finite = pointwise("health", [loss.detach()], (value) =>
      call("le", call("abs", value), constant(3.4e38, "f32")),
    );
    const here = where(finite, 0, step);
    const bad = pointwise("health", [this.badStep, here], (before, now) =>
      call("select", call("gt", before, constant(0, "f32")), before, now),
    );
    this.badStep.assign(bad);
    const healthy = less(bad, 0.5);
    this.good.forEach((kept, k) => {
      kept.assign(where(healthy, this.state[k]!.detach(), kept));
    });
    return healthy;
  }

  /** Throws a DivergedError after a bad loss, once the last good weights are back. */
  async throwIfDiverged(): Promise<void> {
    const step = await this.badStep.item();
    if (step === 0) return;
    this.state.forEach((one, k) => {
      one.assign(this.good[k]!.detach());
    });
    await compute(...this.state);
    throw new DivergedError(step);
  }
}

function timed<T>(make: () => T): { value: T; seconds: number } {
  const start = performance.now();
  const value = make();
  return { value, seconds: (performance.now() - start) / 1000 };
}
