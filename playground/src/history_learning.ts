import { adamw, classic, data, manualSeed, train } from "flybrick";
import type { HistoryReport, HistoryRequest, LiveName } from "./history.js";
import { readNetwork } from "./network_code.js";
import { presets } from "./presets.js";
import { choose } from "./switches.js";

const epochs = 5;

const send = (report: HistoryReport): void => postMessage(report);

/** Fits the learners that are asked for to the sample, with the settings of `flybrick compare`, and tests them. */
export async function learn({ folder, learners }: HistoryRequest): Promise<void> {
  const start = performance.now();
  const set = await data.loadImageSet({ name: "fashion-mnist", url: folder });
  for (const name of learners) {
    send({ type: "progress", name, share: 0 });
    const accuracy = await (name === "lenet" ? trainLenet(set) : fit(name, set));
    send({ type: "accuracy", name, accuracy });
  }
  send({ type: "done", seconds: (performance.now() - start) / 1000 });
}

async function fit(name: Exclude<LiveName, "lenet">, { train, test }: data.ImageSet): Promise<number> {
  const model =
    name === "softmax"
      ? classic.logisticRegression({ C: 1, maxIter: 200 })
      : classic.randomForestClassifier({ nEstimators: 100, randomState: 0 });
  const what = name === "softmax" ? "iterations" : "trees";
  await model.fit(classic.pixelFeatures(train), train.labels, {
    onProgress: (progress) => {
      if (progress.what === what) send({ type: "progress", name, share: progress.done / progress.total });
    },
  });
  return model.score(classic.pixelFeatures(test), test.labels);
}

async function trainLenet({ train: trainImages, test, classNames }: data.ImageSet): Promise<number> {
  manualSeed(0);
  const net = readNetwork(choose(presets.lenet.code, "activation", "relu"));
  const { epochs: results } = await train(net, {
    trainSet: new data.Dataset(trainImages, classNames),
    testSet: new data.Dataset(test, classNames),
    ...{ batchSize: 32, epochs, optimizer: adamw({ learningRate: 0.002 }), progressSeconds: 0.2 },
    onProgress: ({ epoch, step, steps }) =>
      send({ type: "progress", name: "lenet", share: (epoch - 1 + step / steps) / epochs }),
  });
  return results.at(-1)!.testAccuracy;
}
