import {
  adam,
  adamw,
  type CheckpointKeeper,
  DeviceLostError,
  data,
  evaluate,
  evaluateModel,
  type OptimizerRecipe,
  sgd,
  type TrainState,
  train,
  UserError,
  useDevice,
} from "flybrick";
import type { Sequential } from "flybrick/nn";
import { readCheckpoint, writeCheckpoint } from "./checkpoint_database.js";
import { deviceOf, forgetDevices } from "./devices.js";
import { Gate, nextTask } from "./gate.js";
import { loadImages } from "./images.js";
import type { CurvePoint, Report, Request, RunEpoch, TrainRequest } from "./messages.js";
import { encodeNetwork, networkOf, networkOfCheckpoint } from "./network_files.js";
import { Observer } from "./observer.js";
import { curveStride, Means, ProgressMeter } from "./progress_meter.js";
import type { State } from "./state.js";

const reportsPerSecond = 10;
/** Between checkpoints that nobody waits for: so long, and so many times what the last one took. */
const restSeconds = 5;
const restFactor = 20;

const checkpointName = "the checkpoint in this browser";

const gate = new Gate();
let learningRate = 0;
let stop = new AbortController();
/** What goes on; what needs the device, too, waits for its end. */
let running: Promise<void> = Promise.resolve();
/** The network that was last trained here, and whether it still is. */
let current: { readonly run: number; readonly net: Sequential; isTraining: boolean } | undefined;

/** From a run's beginning to its end, what needs its network waits for a step's end. */
let isRunning = false;
const observer = new Observer((act) => (isRunning ? gate.errand(act) : act()), send);

function send(report: Report, transfer: Transferable[] = []): void {
  postMessage(report, { transfer });
}

/** Does what the page asks. */
export function handle(request: Request): void {
  switch (request.type) {
    case "train":
      halt();
      running = running.then(() => begin(request));
      break;
    case "pause":
      gate.pause();
      break;
    case "step":
      gate.step();
      break;
    case "resume":
      gate.open();
      break;
    case "stop":
      halt();
      break;
    case "rate":
      learningRate = request.learningRate;
      break;
    case "watch":
      observer.watch(request);
      break;
    case "classify":
      observer.classify(request.picture);
      break;
    case "images":
      void answer("images", () => lookAtImages(request));
      break;
    case "weights":
      running = running.then(() => answer("weights", () => tryWeights(request)));
      break;
    case "file":
      void answer("file", () => sendFile(request));
  }
}

function halt(): void {
  stop.abort();
  gate.open();
}

/** Does what was asked for beside a run; tells why it cannot be had. */
async function answer(what: (Report & { type: "refused" })["what"], act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    send({ type: "refused", what, sentence: (error as Error).message });
    if (what === "weights") await dropRecorded();
  }
}

async function begin(request: TrainRequest): Promise<void> {
  stop = new AbortController();
  gate.open();
  isRunning = true;
  const { run } = request;
  try {
    const stopped = await trainRun(request, stop.signal);
    send({ type: "ended", run, stopped });
  } catch (error) {
    await dropRecorded();
    // The next run gets a device that works; after a mistake or missing memory this one does.
    const isMistake = error instanceof UserError || error instanceof RangeError;
    if (error instanceof DeviceLostError || !isMistake) forgetDevices();
    current = undefined;
    // The page says itself where a run can go on from.
    const { message, cause } = error as Error;
    send({ type: "failed", run, sentence: cause instanceof UserError ? cause.message : message });
  } finally {
    if (current) current.isTraining = false;
    observer.settle();
    gate.open();
    await gate.pass();
    isRunning = false;
  }
}

/** What a failure left recorded must not come with the next run's work, on another device perhaps. */
async function dropRecorded(): Promise<void> {
  await evaluate().catch(() => {});
}

const augmentationOf: Record<State["augment"], () => data.Augmentation | undefined> = {
  none: () => undefined,
  flip: () => data.randomHorizontalFlip(),
  crop: () => data.randomCrop({ padding: 2 }),
  "crop and flip": () => data.compose(data.randomCrop({ padding: 2 }), data.randomHorizontalFlip()),
};

/** At a rate of 1, which the schedule multiplies by the page's. */
const optimizerOf: Record<State["optimizer"], (state: State) => OptimizerRecipe> = {
  sgd: ({ momentum }) => sgd({ learningRate: 1, momentum }),
  adam: () => adam({ learningRate: 1 }),
  adamw: () => adamw({ learningRate: 1 }),
};

/** Trains to the end; whether it was stopped before. */
async function trainRun(request: TrainRequest, signal: AbortSignal): Promise<boolean> {
  const { run, state } = request;
  const { device, standIn } = await deviceOf(state.device);
  useDevice(device);
  const { name, description } = device;
  send({
    type: "device",
    run,
    name,
    description,
    isIsolated: crossOriginIsolated,
    ...(standIn && { standIn }),
  });
  const saved = request.goesOn ? await readCheckpoint(run) : undefined;
  const net = networkOf(state, request.weights);
  const set = await loadImages(request.images, (received, total) =>
    send({ type: "data", run, received, ...(total !== undefined && { total }) }),
  );
  const size = net.inputShape[1] ?? set.train.height;
  const augment = augmentationOf[state.augment]();
  const trainSet = new data.Dataset(set.train, set.classNames, { size, ...(augment && { augment }) });
  const testSet = new data.Dataset(set.test, set.classNames, { size });
  if (signal.aborted) return true;
  const { batchSize, epochs, seed } = state;
  learningRate = saved?.learningRate ?? state.learningRate;
  const curve: CurvePoint[] = [...(saved?.curve ?? [])];
  const meter = new ProgressMeter({ images: trainSet.count, batchSize, epochs });
  const means = new Means({ images: trainSet.count, batchSize }, saved?.sums);
  const steps = Math.ceil(trainSet.count / batchSize);
  const stride = curveStride(steps, epochs);
  send({
    ...{ type: "begun", run, trainImages: trainSet.count, testImages: testSet.count, curve },
    epochs: saved?.state.epochs.map(epochOf) ?? [],
  });
  current = { run, net, isTraining: true };
  observer.begin({ run, net, device, testSet, testImages: set.test });
  const started = performance.now() / 1000;
  const pausedBefore = gate.pausedSeconds;
  let testSeconds = 0;
  let reported = 0;
  let wroteAt = started;
  let writeSeconds = 0;
  const isLate = (): boolean =>
    performance.now() / 1000 - wroteAt > Math.max(restSeconds, restFactor * writeSeconds);

  /** Writes a checkpoint where one is due, and waits where the visitor has paused. */
  const write: CheckpointKeeper["write"] = async (trainState, tensors) => {
    let path: string | undefined;
    if (gate.isPaused || trainState.finished || signal.aborted || isLate()) {
      const start = performance.now() / 1000;
      const problem = await writeCheckpoint(run, trainState, tensors, {
        ...{ curve, sums: means.sums, learningRate },
      }).then(
        () => undefined,
        (error: Error) => error.message,
      );
      send({ type: "kept", run, steps: trainState.steps, ...(problem !== undefined && { problem }) });
      if (problem === undefined) path = checkpointName;
      wroteAt = performance.now() / 1000;
      writeSeconds = wroteAt - start;
    }
    if (gate.isPaused) {
      send({ type: "paused", run, ...placeOf(trainState, steps) });
      observer.settle();
    }
    await gate.pass();
    return path;
  };

  const result = await train(net, {
    ...{ trainSet, testSet, batchSize, epochs, seed, signal },
    ...(request.weights && { initializer: null }),
    optimizer: optimizerOf[state.optimizer](state),
    schedule: () => () => learningRate,
    checkpoint: {
      every: () => gate.isCalling || isLate(),
      resume: true,
      keeper: {
        write,
        newest: async () => saved && { ...saved, path: checkpointName },
        // The visitor's hand is the schedule; the checkpoint has where it stands.
        scheduleDigest: () => "by hand",
      },
    },
    progressSeconds: 1 / reportsPerSecond,
    progressSteps: stride,
    onStep: nextTask,
    onProgress: (progress) => {
      if (progress.step % stride === 0 || progress.step === progress.steps) {
        const point = {
          position: progress.epoch - 1 + progress.step / progress.steps,
          ...means.next(progress),
        };
        curve.push(point);
        send({ type: "curve", run, ...point });
      }
      observer.progress(progress.epoch - 1 + progress.step / progress.steps);
      const now = performance.now() / 1000;
      if (now - reported < 1 / reportsPerSecond && !gate.isCalling) return;
      reported = now;
      const seconds = now - started - testSeconds - (gate.pausedSeconds - pausedBefore);
      const { memoryBytes } = device;
      send({
        ...{ type: "progress", run, ...meter.report(progress, seconds) },
        ...(memoryBytes !== undefined && { memoryBytes }),
      });
    },
    onEpoch: (epoch) => {
      testSeconds += epoch.seconds - epoch.trainSeconds;
      send({ type: "epoch", run, ...epochOf(epoch) });
    },
    onWarning: (sentence) => send({ type: "warning", run, sentence }),
  });
  return result.stopped;
}

function epochOf(result: TrainState["epochs"][number]): RunEpoch {
  const { epoch, loss, trainAccuracy, testAccuracy, dataSeconds, trainSeconds } = result;
  return { epoch, loss, trainAccuracy, testAccuracy, loaderShare: dataSeconds / trainSeconds };
}

/** Where so many steps lie: the end of an epoch is its own. */
function placeOf({ steps: taken }: TrainState, steps: number): { epoch: number; step: number } {
  const epoch = Math.max(1, Math.ceil(taken / steps));
  return { epoch, step: taken - (epoch - 1) * steps };
}

async function lookAtImages({ images }: Request & { type: "images" }): Promise<void> {
  const { train, test } = await loadImages(images, (received, total) =>
    send({ type: "receiving", received, ...(total !== undefined && { total }) }),
  );
  send({ type: "images", trainImages: train.count, testImages: test.count });
}

async function tryWeights({ state, images, weights }: Request & { type: "weights" }): Promise<void> {
  useDevice((await deviceOf(state.device)).device);
  const net = networkOf(state, weights);
  const set = await loadImages(images, () => {});
  const size = net.inputShape[1] ?? set.test.height;
  const { accuracy } = await evaluateModel(net, new data.Dataset(set.test, set.classNames, { size }));
  send({ type: "weights", name: weights.name, testAccuracy: accuracy });
}

async function sendFile({ run, state, format }: Request & { type: "file" }): Promise<void> {
  const classNames = data.classNamesOf("fashion-mnist");
  const encode = async (): Promise<Uint8Array<ArrayBuffer>> =>
    encodeNetwork(
      current?.run === run ? current.net : await networkOfCheckpoint(run, state),
      format,
      classNames,
    );
  const isBusy = current?.isTraining ?? false;
  if (!isBusy) useDevice((await deviceOf(state.device)).device);
  const bytes = await (isBusy ? gate.errand(encode) : encode());
  send({ type: "file", format, bytes }, [bytes.buffer]);
}
