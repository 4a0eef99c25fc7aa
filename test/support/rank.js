/** One rank, or the only one: trains a small network as the first argument (JSON) says; rank 0 leaves what came of it. */
import { writeFileSync } from "node:fs";
import { connectMpi, data, manualSeed, nn, openDevice, sgd, train, useDevice } from "flybrick";

const { out, library, bucketBytes, failing, drifting, ...options } = JSON.parse(process.argv[2]);
const alone = { rank: 0, close: async () => {} };
const group = library ? await connectMpi({ library, bucketBytes }) : alone;
try {
  useDevice(await openDevice("cpu", { threads: 1 }));
  const {
    train: images,
    test,
    classNames,
  } = await data.loadImageSet({ name: "fashion-mnist", sample: true });
  const first = (set, count) => ({
    ...set,
    count,
    images: set.images.slice(0, count * 784),
    labels: set.labels.slice(0, count),
  });
  manualSeed(3);
  const net = nn.sequential(
    [1, 28, 28],
    nn.conv2d(1, 8, { kernelSize: 5 }),
    nn.relu(),
    nn.maxPool2d({ kernelSize: 2, stride: 2 }),
    nn.flatten(),
    nn.dropout({ p: 0.4 }),
    nn.linear(8 * 12 * 12, 32),
    nn.relu(),
    nn.linear(32, 10),
  );
  const losses = [];
  const result = await train(net, {
    // Of the last batch, of two examples, four ranks have nothing or one each.
    trainSet: new data.Dataset(first(images, 202), classNames, { augment: data.randomCrop({ padding: 2 }) }),
    testSet: new data.Dataset(first(test, 30), classNames),
    optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
    batchSize: 50,
    epochs: 4,
    mixup: 0.4,
    labelSmoothing: 0.1,
    clipGradNorm: 0.5,
    emaDecay: 0.9,
    ...(library ? { distributed: group } : {}),
    ...options,
    onStep: async ({ loss }) => {
      losses.push(await loss.item());
      if (failing === group.rank && losses.length === 7) throw new RangeError("the seventh step is too much");
    },
    onProgress: async ({ epoch, step }) => {
      if (drifting !== group.rank || epoch !== 2 || step !== 2) return;
      const [weight] = net.parameters();
      const values = await weight.data();
      values[0] += 1e-6;
      weight.set(values);
    },
  });
  const weights = await Promise.all(net.parameters().map(async (one) => Array.from(await one.data())));
  const { epochs, exchange } = result;
  const figures = epochs.flatMap(({ loss, trainAccuracy, testLoss, testAccuracy }) => [
    loss,
    trainAccuracy,
    testLoss,
    testAccuracy,
  ]);
  if (group.rank === 0)
    writeFileSync(out, JSON.stringify({ losses, weights: weights.flat(), figures, exchange }));
} catch (error) {
  process.exitCode = 1;
  console.error(`rank ${group.rank} of ${group.size}: ${error.name}: ${error.message}`);
}
await group.close();
