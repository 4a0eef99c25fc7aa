import { expect, test } from "vitest";
import { Dataset } from "../../src/data/dataset.js";
import { loadImageSet } from "../../src/data/fashion_mnist.js";
import { mlp, softmaxRegression } from "../../src/models/mlp.js";
import * as nn from "../../src/nn/index.js";
import { backward } from "../../src/ops/gradients.js";
import { manualSeed } from "../../src/ops/random.js";
import { crossEntropy } from "../../src/ops/softmax.js";
import { sgd } from "../../src/optim/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { evaluate } from "../../src/train/evaluate.js";
import { glimpse, inspect } from "../../src/train/inspection.js";
import { layerStatistics } from "../../src/train/statistics.js";
import { train } from "../../src/train/train.js";
import { testDevices } from "../support/test_devices.js";

const set = await loadImageSet({ name: "fashion-mnist", sample: true });
const firstTen = Int32Array.from({ length: 10 }, (_, k) => k);

for (const [name, device] of await testDevices()) {
  test(`gradient norms are those of backward, on ${name}`, async () => {
    useDevice(device);
    manualSeed(1);
    const net = nn.sequential([1, 28, 28], mlp(), nn.relu(), nn.dropout({ p: 0.5 }), nn.linear(10, 10));
    const trainSet = new Dataset(set.train, set.classNames);
    const batch = trainSet.batch(firstTen);
    const statistics = await layerStatistics(net, batch);
    expect(net.training).toBe(true);
    expect(net.parameters().every(({ grad }) => grad === null)).toBe(true);
    expect(Object.keys(statistics.deadShares)).toEqual(["0.2 ReLU", "1 ReLU"]);

    net.eval();
    backward(crossEntropy(net.forward(batch.x), batch.y));
    for (const [parameter, { grad }] of net.namedParameters()) {
      let squares = 0;
      for (const value of await grad!.data()) squares += value * value;
      const norm = Math.sqrt(squares);
      expect(norm).toBeGreaterThan(0);
      expect(statistics.gradientNorms[parameter]! / norm).toBeCloseTo(1, 4);
    }
  });

  test(`a glimpse shows kernels, their gradients and any layer, and training goes on to the same bits, on ${name}`, async () => {
    useDevice(device);
    const trainSet = new Dataset(set.train, set.classNames);
    const testSet = new Dataset(set.test, set.classNames);
    const bits = async (looks: boolean): Promise<Float32Array> => {
      // Of the biases, which training leaves as they are made.
      manualSeed(3);
      const net = nn.sequential(
        [1, 28, 28],
        ...[nn.conv2d(1, 3, { kernelSize: 5 }), nn.relu(), nn.avgPool2d({ kernelSize: 4, stride: 4 })],
        ...[nn.flatten(), nn.dropout({ p: 0.3 }), nn.linear(3 * 36, 10)],
      );
      let step = 0;
      await train(net, {
        ...{ trainSet, testSet, batchSize: 10, epochs: 1, optimizer: sgd({ learningRate: 0.1 }) },
        signal: stop.signal,
        progressSeconds: 0,
        onProgress: async () => {
          if (++step === 3) stop.abort();
          if (!looks) return;
          const seen = await glimpse(net, testSet, { image: 7, layer: "2 AvgPool2d", batchSize: 10 });
          const { gradientNorms } = await layerStatistics(net, testSet.batch(firstTen));
          expect(seen.layers.gradientNorms).toEqual(gradientNorms);
          expect(seen.layerNames).toEqual([...net].map((layer, k) => `${k} ${layer.name}`));
          expect(seen.activation).toMatchObject({ layer: "2 AvgPool2d", shape: [3, 6, 6] });
          expect(Array.from(seen.kernels!.weights.weights)).toEqual(
            Array.from(await net.namedParameters().get("0.weight")!.data()),
          );
          expect(Math.hypot(...Array.from(seen.kernels!.gradients.weights))).toBeCloseTo(
            gradientNorms["0.weight"]!,
            4,
          );
          expect(seen.probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
        },
      });
      stop = new AbortController();
      return net.namedParameters().get("5.weight")!.data() as Promise<Float32Array>;
    };
    let stop = new AbortController();
    expect(await bits(true)).toEqual(await bits(false));
  });

  test(`a ReLU's unit is dead where it is zero for the whole batch, on ${name}`, async () => {
    useDevice(device);
    manualSeed(2);
    const conv = nn.conv2d(1, 8, { kernelSize: 3 });
    const linear = nn.linear(8 * 26 * 26, 16);
    const net = nn.sequential(
      [1, 28, 28],
      conv,
      nn.relu(),
      nn.flatten(),
      linear,
      nn.relu(),
      nn.linear(16, 10),
    );
    conv.bias!.set(Float32Array.from({ length: 8 }, (_, k) => (k < 2 ? -1000 : 1000)));
    linear.bias!.set(Float32Array.from({ length: 16 }, (_, k) => (k < 12 ? -1e6 : 1e6)));
    const batch = new Dataset(set.train, set.classNames).batch(firstTen);
    const { deadShares } = await layerStatistics(net, batch);
    expect(deadShares).toEqual({ "1 ReLU": 0.25, "4 ReLU": 0.75 });
  });

  test(`residual blocks are looked into, and a layer at two places told apart, on ${name}`, async () => {
    useDevice(device);
    manualSeed(4);
    const inner = nn.conv2d(4, 4, { kernelSize: 3, padding: 1 });
    const shared = nn.relu();
    const net = nn.sequential(
      [1, 28, 28],
      nn.conv2d(1, 4, { kernelSize: 3, padding: 1 }),
      nn.residual(
        nn.sequential([4, 28, 28], inner, shared, nn.conv2d(4, 4, { kernelSize: 3, padding: 1 })),
        nn.sequential([4, 28, 28], nn.conv2d(4, 4, { kernelSize: 1 }), nn.relu()),
      ),
      shared,
      nn.flatten(),
      nn.linear(4 * 28 * 28, 10),
    );
    inner.bias!.set(Float32Array.from([-1000, -1000, -1000, 1000]));
    const batch = new Dataset(set.train, set.classNames).batch(firstTen);
    const { deadShares } = await layerStatistics(net, batch);
    expect(Object.keys(deadShares)).toEqual(["1.body.1 ReLU", "1.shortcut.1 ReLU", "2 ReLU"]);
    expect(deadShares["1.body.1 ReLU"]).toBe(0.75);
    // The block's sum is above zero somewhere: what the inner ReLU lets through is large.
    expect(deadShares["2 ReLU"]).toBeLessThan(0.75);
  });

  test(`an inspection counts what evaluation does, on ${name}`, async () => {
    useDevice(device);
    manualSeed(3);
    const net = softmaxRegression();
    const data = { testSet: new Dataset(set.test, set.classNames) };
    const seen = await inspect(net, data, { mistakes: 5 });
    const { accuracy } = await evaluate(net, data.testSet);
    expect(net.training).toBe(true);
    expect(seen.accuracy).toBeCloseTo(accuracy, 6);
    expect(seen.confusion.counts.map((row) => row.reduce((a, b) => a + b))).toEqual(Array(10).fill(100));
    expect(seen.confusion.counts.reduce((sum, row, k) => sum + row[k]!, 0)).toBe(Math.round(1000 * accuracy));
    expect(seen.mistakes).toHaveLength(5);
    const sure = seen.mistakes.map(({ confidence }) => confidence);
    expect(sure).toEqual([...sure].sort((a, b) => b - a));
    expect(seen.mistakes.every(({ truth, predicted }) => truth !== predicted)).toBe(true);
    expect(seen.kernels!.shape).toEqual([10, 1, 28, 28]);
    expect(seen.kernels!.names).toEqual(set.classNames);
    expect(seen.activations.map(({ label }) => label)).toEqual(["pullover", "coat"]);

    const some = await inspect(net, data, { examples: 50 });
    expect(some.examples).toBe(50);
    // Spread over the set, not its first ones.
    expect(some.confusion.counts.flat().reduce((a, b) => a + b)).toBe(50);
  });
}
