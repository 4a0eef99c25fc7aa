import { OutOfMemoryError, UserError } from "../core/errors.js";
import { version } from "../core/version.js";
import { batches, shuffledOrder } from "../data/batches.js";
import { batchCount, type Dataset } from "../data/dataset.js";
import type { Device } from "../devices/device.js";
import type { ProcessGroup } from "../distributed/process_group.js";
import { type Initializer, initialize, type Module, xavierUniform } from "../nn/index.js";
import { manualSeed, randomState, setRandomState } from "../ops/random.js";
import { clipGradNorm, type OptimizerRecipe, type ScheduleRecipe } from "../optim/index.js";
import { currentDevice, useDevice } from "../tensor/evaluate.js";
import { evaluate as compute, type Tensor } from "../tensor/tensor.js";
import { requireAgreement } from "./agreement.js";
import { bestEpoch, type EpochResult, epochsSinceBest, type TrainCallbacks } from "./callbacks.js";
import { explained, type Standing } from "./device_failure.js";
import { evaluateTogether, RunningMetrics } from "./evaluate.js";
import type { ExchangeFigures } from "./exchange.js";
import { Health } from "./health.js";
import { MicroBatches, timed } from "./micro_batches.js";
import { mixupShare } from "./mixup.js";
import { Ranks } from "./ranks.js";
import {
  type CheckpointKeeper,
  describeOptimizer,
  type RunSettings,
  requireSettings,
  restoreTensors,
  type TrainState,
} from "./train_state.js";
import { WeightAverage } from "./weight_average.js";

export { DivergedError } from "./health.js";

/** Seconds or steps between checkpoints. */
export type CheckpointInterval = { readonly seconds: number } | { readonly steps: number };

/** When checkpoints are written, and whether training goes on from one. */
export interface CheckpointTimes {
  /**
   * Write one after so many seconds or steps, or where a function of the steps taken says so, and at the end of each
   * epoch; 300 seconds if left out.
   */
  readonly every?: CheckpointInterval | ((steps: number) => boolean);
  /** Go on from the newest sound one, bit for bit as if never interrupted, or start anew where there is none. */
  readonly resume?: boolean;
}

export interface TrainOptions extends TrainCallbacks {
  readonly trainSet: Dataset;
  readonly testSet: Dataset;
  readonly optimizer: OptimizerRecipe;
  /** What the optimizer's learning rate is multiplied by, step by step over the whole run; 1 if left out. */
  readonly schedule?: ScheduleRecipe;
  /** Ends the run after so many epochs without a better test accuracy; it never ends early if left out. */
  readonly earlyStopping?: number;
  /** Share of the target that goes to all classes alike, in training; 0 if left out. */
  readonly labelSmoothing?: number;
  /**
   * Mixes each batch with itself turned round, images and losses alike, by a share drawn from Beta(mixup, mixup): the
   * alpha of Zhang et al. (2018), above 0 and at most 1. Training accuracy counts the labels of the own images. Off if left out.
   */
  readonly mixup?: number;
  /**
   * Keeps an exponential moving average of the weights, which is tested after each epoch and left in the network at
   * the end: its decay a step, such as 0.999. Off if left out.
   */
  readonly emaDecay?: number;
  /** Gradients of a larger L2 norm, all of them together, are scaled down to it; none are if left out. */
  readonly clipGradNorm?: number;
  /** 128 if left out; the smaller last batch of an epoch is kept. */
  readonly batchSize?: number;
  /**
   * Examples that go through the network at once: a larger batch's gradients are summed over micro-batches, to the
   * whole batch's up to the order of sums, in less memory. If left out whole batches, which are halved where the first
   * step finds no memory; a run that is resumed keeps what it had. Throws a UserError where a layer such as
   * BatchNorm2d needs its whole batch.
   */
  readonly microBatchSize?: number;
  /** 10 if left out. */
  readonly epochs?: number;
  /** 0 if left out. Weights, dropout and order of the data depend on it alone. */
  readonly seed?: number;
  /** How weights are drawn anew; Xavier uniform as in the book if left out, null keeps them. */
  readonly initializer?: Initializer | null;
  /** The device in use if left out. */
  readonly device?: Device;
  /**
   * Processes that train together, all with the same options: each takes its part of every batch, so that the result is
   * one process's up to the order of sums. Rank 0 alone writes checkpoints; the group stays open.
   */
  readonly distributed?: ProcessGroup;
  /** Stops after the current step, with a checkpoint where they are asked for. */
  readonly signal?: AbortSignal;
  /** Also report progress after so many seconds; reading the figures waits for the device. */
  readonly progressSeconds?: number;
  /** Also report progress at each epoch's multiples of so many steps, likewise. */
  readonly progressSteps?: number;
  /** Further listeners, called after the options' own. */
  readonly callbacks?: readonly TrainCallbacks[];
}

export interface TrainResult {
  readonly epochs: readonly EpochResult[];
  /** Whether `signal` stopped it. */
  readonly stopped: boolean;
  /** Steps taken. */
  readonly steps: number;
  /** How gradients went between ranks, where there are several and a step was taken. */
  readonly exchange?: ExchangeFigures;
}

/**
 * What `train` does once its arguments are known to agree; checkpoints go to `keeper`, nowhere if left out. A lost
 * device, or one without memory, is an error that names the step and the checkpoint to go on from.
 */
export async function trainingLoop(
  net: Module,
  options: TrainOptions & { readonly checkpoint?: CheckpointTimes },
  keeper?: CheckpointKeeper,
): Promise<TrainResult> {
  const standing: Standing = { steps: 0, checkpoint: undefined, keepsCheckpoints: keeper !== undefined };
  const ranks = new Ranks(options.distributed);
  try {
    return await loop(net, options, keeper, standing, ranks);
  } catch (error) {
    const reason = explained(error, standing);
    // Or they would wait for this one.
    await ranks.fail(reason);
    if (reason !== error) {
      // What was recorded for this device must not come with the next one's work.
      for (const parameter of net.parameters()) parameter.grad = null;
      await compute().catch(() => {});
    }
    throw reason;
  }
}

async function loop(
  net: Module,
  options: TrainOptions & { readonly checkpoint?: CheckpointTimes },
  keeper: CheckpointKeeper | undefined,
  standing: Standing,
  ranks: Ranks,
): Promise<TrainResult> {
  const {
    trainSet,
    testSet,
    batchSize = 128,
    epochs = 10,
    seed = 0,
    initializer = xavierUniform,
    labelSmoothing = 0,
    mixup,
    signal,
    checkpoint,
  } = options;
  if (!Number.isInteger(epochs) || epochs < 1)
    throw new UserError(`epochs is ${epochs}; give a whole number of at least 1`);
  requireAgreement(net, trainSet, "trainSet");
  requireAgreement(net, testSet, "testSet");
  const { earlyStopping } = options;
  if (earlyStopping !== undefined && !(Number.isInteger(earlyStopping) && earlyStopping >= 1))
    throw new UserError(`earlyStopping is ${earlyStopping}; give a whole number of epochs of at least 1`);
  const steps = batchCount(trainSet.count, batchSize);
  const micro = new MicroBatches(
    net,
    trainSet,
    batchSize,
    labelSmoothing,
    options.microBatchSize ?? null,
    ranks,
  );
  const listeners = [options, ...(options.callbacks ?? [])];
  const isDue = checkpointClock(checkpoint?.every);
  if (options.device) useDevice(options.device);
  manualSeed(seed);
  if (initializer) initialize(net, initializer);
  const parameters = net.parameters();
  const optimizer = options.optimizer(parameters);
  const fullRate = optimizer.learningRate;
  const schedule = options.schedule?.(steps * epochs);
  const metrics = new RunningMetrics();
  const health = new Health(net.namedState());
  const average =
    options.emaDecay === undefined ? undefined : new WeightAverage(net.namedParameters(), options.emaDecay);
  const settings: RunSettings = {
    batchSize,
    microBatchSize: micro.size,
    epochs,
    seed,
    examples: trainSet.count,
    learningRate: fullRate,
    optimizer: describeOptimizer(optimizer),
    scheduleDigest: keeper?.scheduleDigest(schedule ?? (() => 1), epochs, steps) ?? "",
    labelSmoothing,
    mixup: mixup ?? null,
    emaDecay: options.emaDecay ?? null,
    clipGradNorm: options.clipGradNorm ?? null,
    earlyStopping: earlyStopping ?? null,
  };
  const variables = new Map([
    ...under("state", net.namedState()),
    ...under("optimizer", optimizer.namedState()),
    ...under("good", health.good),
    ...under("average", average?.tensors ?? new Map<string, Tensor>()),
    ...under("metrics", new Map([["loss", metrics.loss] as const, ["hits", metrics.hits] as const])),
  ]);
  const results: EpochResult[] = [];
  /** The network holds what it is to be used with. */
  const end = async (stopped: boolean): Promise<TrainResult> => {
    average?.exchange();
    await compute(...net.parameters());
    const { figures } = micro.exchange ?? {};
    return { epochs: results, stopped, steps: optimizer.steps, ...(figures ? { exchange: figures } : {}) };
  };
  let trainSeconds = 0;
  let dataSeconds = 0;

  const warn = (message: string): void => {
    const heard = listeners.filter(({ onWarning }) => onWarning);
    if (heard.length === 0) console.warn(message);
    for (const { onWarning } of heard) onWarning!(message);
  };
  await ranks.requireSame(
    "its options, network or data",
    JSON.stringify([
      version,
      { ...settings, scheduleDigest: "" },
      [...variables].map(([name, { shape }]) => [name, shape]),
      [trainSet.shape, testSet.shape, testSet.count],
    ]),
    "start all ranks by the same command",
  );
  await ranks.requireSame(
    "its device, whose last bits are others",
    deviceKind(currentDevice()),
    "take the same --device everywhere, and FLYBRICK_ISA=avx2 where some processors lack AVX-512",
  );
  const saved = await ranks.share(async () => {
    const newest = checkpoint?.resume ? await keeper?.newest(warn) : undefined;
    if (!newest) return undefined;
    const { state, path } = newest;
    const { microBatchSize = state.settings.microBatchSize ?? null } = options;
    requireSettings(path, state.settings, { ...settings, microBatchSize });
    await restoreTensors(path, newest.tensors, variables);
    return { state, path };
  });
  await ranks.broadcast(variables.values());
  if (saved) {
    const { state, path } = saved;
    if (options.microBatchSize === undefined) micro.size = state.settings.microBatchSize ?? null;
    Object.assign(standing, { steps: state.steps, checkpoint: { path, steps: state.steps } });
    optimizer.steps = state.steps;
    metrics.examples = state.examples;
    ({ trainSeconds, dataSeconds } = state);
    results.push(...state.epochs);
    if (schedule && state.steps > 0) optimizer.learningRate = fullRate * schedule(state.steps - 1, results);
    setRandomState(state.random);
  }
  if (checkpoint?.resume) {
    const { steps = 0, epochs = [], finished = false } = saved?.state ?? {};
    for (const { onResume } of listeners)
      await onResume?.({ path: saved?.path ?? null, steps, epochs, finished });
  }
  if (saved?.state.finished) return end(false);
  /** Writes a checkpoint, of weights that all ranks have; the device must have nothing left to do. */
  const save = async (epoch: number, finished = false): Promise<void> => {
    await ranks.requireSameValues(net.namedState().values(), optimizer.steps);
    if (!keeper) return;
    const start = performance.now();
    const best = bestEpoch(results);
    const state: TrainState = {
      settings: { ...settings, microBatchSize: micro.size },
      steps: optimizer.steps,
      epochs: results,
      finished,
      random: randomState(),
      examples: metrics.examples,
      trainSeconds,
      dataSeconds,
    };
    const path = await keeper.write(state, variables, best && best.epoch * steps);
    if (path === undefined) return;
    standing.checkpoint = { path, steps: optimizer.steps };
    const seconds = (performance.now() - start) / 1000;
    for (const { onCheckpoint } of listeners)
      await onCheckpoint?.({ path, epoch, steps: optimizer.steps, seconds });
  };
  /**
   * Takes a step on the examples with these numbers; `done` tells when the device has. What it leaves behind is written
   * by its last micro-batch alone, so one that finds no memory has done nothing.
   */
  const takeStep = async (
    numbers: Int32Array,
    epoch: number,
    step: number,
  ): Promise<{ done: Promise<void> }> => {
    const share = mixup === undefined ? null : mixupShare(mixup, seed, optimizer.steps);
    const { loss, hits } = await micro.backward(numbers, share);
    metrics.add(loss, hits, numbers.length);
    if (schedule) optimizer.learningRate = fullRate * schedule(optimizer.steps, results);
    const { learningRate } = optimizer;
    for (const { onStep } of listeners) await onStep?.({ epoch, step, steps, learningRate, net, loss });
    if (options.clipGradNorm !== undefined) clipGradNorm(parameters, options.clipGradNorm);
    return { done: optimizer.step({ onlyIf: health.check(loss, optimizer.steps + 1) }) };
  };
  /** The first step of a sitting: its batch is cut smaller until there is memory for it. */
  const takeFirstStep: typeof takeStep = async (numbers, epoch, step) => {
    // First values come before it, so that nothing but the step is left to undo.
    await compute();
    const before = { steps: optimizer.steps, random: randomState(), metrics: await metrics.sums() };
    for (;;) {
      try {
        const taken = await takeStep(numbers, epoch, step);
        await taken.done;
        return taken;
      } catch (error) {
        if (!(error instanceof OutOfMemoryError) || options.microBatchSize !== undefined) throw error;
        // The others have taken the step.
        if (ranks.size > 1)
          throw new OutOfMemoryError(`${error.message}; give micro-batches of fewer examples than a rank's`, {
            cause: error,
          });
        const obstacle = micro.halve();
        if (obstacle) throw new OutOfMemoryError(`${error.message}; ${obstacle}`, { cause: error });
        warn(`${error.message}. Going on with micro-batches of ${micro.size}`);
        optimizer.zeroGrad();
        optimizer.steps = before.steps;
        metrics.restore(before.metrics);
        setRandomState(before.random);
      }
    }
  };
  let isFirst = true;
  const progressMilliseconds = (options.progressSeconds ?? Number.POSITIVE_INFINITY) * 1000;
  const reportAt = new Set([1, 2, 3, 4, 5].map((fifth) => Math.ceil((steps * fifth) / 5)));
  net.train();

  for (let epoch = results.length + 1; epoch <= epochs; epoch++) {
    // It may have come while the last epoch was evaluated.
    const [isOver] = await ranks.any([signal?.aborted ?? false]);
    if (isOver) return end(true);
    /** Steps of this epoch that a checkpoint holds. */
    const done = optimizer.steps - results.length * steps;
    if (done === 0) {
      metrics.reset();
      trainSeconds = 0;
      dataSeconds = 0;
    }
    let start = performance.now() - trainSeconds * 1000;
    let running: Promise<void> = Promise.resolve();
    let reported = performance.now();
    const order = timed(() => shuffledOrder(trainSet.count, seed, epoch));
    dataSeconds += order.seconds;
    let step = 0;
    for (const numbers of batches(order.value, batchSize)) {
      if (++step <= done) continue;
      standing.steps = optimizer.steps;
      const taking = optimizer.steps + 1;
      /** Whether to stop, which any rank may say, and by rank 0's clock whether a report or a checkpoint is due. */
      const wishes = [
        () => signal?.aborted ?? false,
        () => ranks.isFirst && performance.now() - reported >= progressMilliseconds,
        // The last step's checkpoint is the epoch's.
        () => ranks.isFirst && step < steps && isDue(taking),
      ];
      // Asked early, so that nobody waits for the answer.
      const agreed = ranks.size > 1 ? ranks.any(wishes.map((wish) => wish())) : undefined;
      agreed?.catch(() => {});
      const { dataSeconds: before } = micro;
      const next = await (isFirst ? takeFirstStep : takeStep)(numbers, epoch, step);
      isFirst = false;
      dataSeconds += micro.dataSeconds - before;
      average?.update(optimizer.steps);
      // One step stays in flight, so the device never waits for the next one to be recorded.
      await running;
      running = next.done;
      const answers = await agreed;
      const [isStopped, isLate, isCheckpointDue] = wishes.map((wish, k) => () => answers?.[k] ?? wish()) as [
        () => boolean,
        () => boolean,
        () => boolean,
      ];
      const isCounted = step % (options.progressSteps ?? Number.POSITIVE_INFINITY) === 0;
      if (reportAt.has(step) || isCounted || isLate() || isStopped()) {
        reported = performance.now();
        const means = await metrics.read();
        await health.throwIfDiverged();
        const examples = Math.min(trainSet.count, step * batchSize);
        const examplesPerSecond = (examples * 1000) / (performance.now() - start);
        for (const { onProgress } of listeners)
          await onProgress?.({ epoch, step, steps, ...means, examplesPerSecond });
      }
      if (isStopped() || isCheckpointDue()) {
        await running;
        await health.throwIfDiverged();
        trainSeconds = (performance.now() - start) / 1000;
        await save(epoch);
        start = performance.now() - trainSeconds * 1000;
      }
      if (isStopped()) return end(true);
    }
    await running;
    const { loss, accuracy: trainAccuracy } = await metrics.read();
    await health.throwIfDiverged();
    trainSeconds = (performance.now() - start) / 1000;
    average?.exchange();
    const test = await evaluateTogether(net, testSet, micro.size ?? Math.ceil(batchSize / ranks.size), ranks);
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
    for (const { onEpoch } of listeners) await onEpoch?.(result);
    average?.exchange();
    const isLast = epoch === epochs || epochsSinceBest(results) >= (earlyStopping ?? epochs);
    await save(epoch, isLast);
    if (isLast) break;
  }
  return end(false);
}

/** Tells after a step, counted over the run, whether a checkpoint is due. */
function checkpointClock(every: CheckpointTimes["every"] = { seconds: 300 }): (step: number) => boolean {
  if (typeof every === "function") return every;
  const amount = "steps" in every ? every.steps : every.seconds;
  if (!(amount > 0)) throw new UserError(`checkpoint every ${amount}; give a number above 0`);
  if ("steps" in every) return (step) => step % every.steps === 0;
  let last = performance.now();
  return () => {
    if (performance.now() - last < every.seconds * 1000) return false;
    last = performance.now();
    return true;
  };
}

/** What decides a device's bits: neither the processor's name nor the number of threads. */
function deviceKind({ name, description }: Device): string {
  return `${name} ${description
    .split(", ")
    .slice(1)
    .join(", ")
    .replace(/, \d+ threads?\b/, "")}`;
}

/** Tensors by longer names. */
function under(prefix: string, tensors: ReadonlyMap<string, Tensor>): [string, Tensor][] {
  return [...tensors].map(([name, one]) => [`${prefix}.${name}`, one]);
}
