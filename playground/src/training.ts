import {
  adam,
  adamw,
  type Device,
  data,
  type OptimizerRecipe,
  openDevice,
  sgd,
  train,
  tryGpu,
  useDevice,
} from "flybrick";
import { Gate } from "./gate.js";
import type { Report, Request } from "./messages.js";
import { readNetwork } from "./network_code.js";
import { ProgressMeter } from "./progress_meter.js";
import type { State } from "./state.js";

const reportsPerSecond = 10;

const gate = new Gate();
let learningRate = 0;
let stop = new AbortController();
/** The run that goes on; another waits for its end. */
let running: Promise<void> = Promise.resolve();

const send = (report: Report): void => postMessage(report);

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
  }
}

function halt(): void {
  stop.abort();
  gate.open();
}

async function begin(request: Request & { type: "train" }): Promise<void> {
  stop = new AbortController();
  gate.open();
  try {
    const stopped = await trainRun(request, stop.signal);
    send({ type: "ended", run: request.run, stopped });
  } catch (error) {
    send({ type: "failed", run: request.run, sentence: (error as Error).message });
  }
}

/** Each kind of device is opened once. */
const opened = new Map<State["device"], Promise<Device>>([["auto", tryGpu()]]);

function deviceOf(name: State["device"]): Promise<Device> {
  const device = opened.get(name) ?? openDevice(name);
  opened.set(name, device);
  // A device that could not be had may be there later.
  device.catch(() => opened.delete(name));
  return device;
}

/** The data set's bytes, loaded once; a failed load may be tried again. */
let images: Promise<data.ImageSet> | undefined;

function loadImages(folder: string, onReceived: (bytes: number) => void): Promise<data.ImageSet> {
  const received = new Map<string, number>();
  images ??= data
    .loadImageSet({
      name: "fashion-mnist",
      url: folder,
      onProgress: (file) => {
        received.set(file.file, file.received);
        onReceived([...received.values()].reduce((a, b) => a + b, 0));
      },
    })
    .catch((error: unknown) => {
      images = undefined;
      throw error;
    });
  return images;
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
async function trainRun({ run, state, folder }: Request & { type: "train" }, signal: AbortSignal) {
  const device = await deviceOf(state.device);
  useDevice(device);
  send({ type: "device", run, name: device.name, description: device.description });
  const net = readNetwork(state.code);
  const set = await loadImages(folder, (received) => send({ type: "data", run, received }));
  const size = net.inputShape[1] ?? set.train.height;
  const augment = augmentationOf[state.augment]();
  const trainSet = new data.Dataset(set.train, set.classNames, { size, ...(augment && { augment }) });
  const testSet = new data.Dataset(set.test, set.classNames, { size });
  if (signal.aborted) return true;
  send({ type: "begun", run, trainImages: trainSet.count, testImages: testSet.count });
  learningRate = state.learningRate;
  const { batchSize, epochs, seed } = state;
  const meter = new ProgressMeter({ images: trainSet.count, batchSize, epochs });
  const started = performance.now() / 1000;
  const pausedBefore = gate.pausedSeconds;
  let testSeconds = 0;
  let reported = 0;
  const result = await train(net, {
    trainSet,
    testSet,
    optimizer: optimizerOf[state.optimizer](state),
    schedule: () => () => learningRate,
    batchSize,
    epochs,
    seed,
    signal,
    progressSeconds: 1 / reportsPerSecond,
    onStep: () => gate.pass(),
    onProgress: (progress) => {
      const now = performance.now() / 1000;
      if (now - reported < 1 / reportsPerSecond && !gate.isPausing) return;
      reported = now;
      const seconds = now - started - testSeconds - (gate.pausedSeconds - pausedBefore);
      send({ type: "progress", run, ...meter.report(progress, seconds) });
    },
    onEpoch: ({ epoch, loss, trainAccuracy, testAccuracy, seconds, trainSeconds }) => {
      testSeconds += seconds - trainSeconds;
      send({ type: "epoch", run, epoch, loss, trainAccuracy, testAccuracy });
    },
  });
  return result.stopped;
}
