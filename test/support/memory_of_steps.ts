/** Prints resident bytes after 600 and after 1,600 LeNet steps: run by a test in a process of its own, with a device's name. */
import { Dataset } from "../../src/data/dataset.js";
import { loadImageSet } from "../../src/data/fashion_mnist.js";
import { type DeviceName, openDevice } from "../../src/devices/open.js";
import { lenet } from "../../src/models/lenet.js";
import { backward } from "../../src/ops/gradients.js";
import { crossEntropy } from "../../src/ops/softmax.js";
import { sgd } from "../../src/optim/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";

useDevice(await openDevice(process.argv[2] as DeviceName));
const { train, classNames } = await loadImageSet({ name: "fashion-mnist", sample: true });
const set = new Dataset(train, classNames);
const net = lenet();
const optimizer = sgd(net.parameters(), { learningRate: 0.1 });

async function steps(count: number): Promise<number> {
  for (let i = 0; i < count; i++) {
    const { x, y } = set.batch(Int32Array.from({ length: 64 }, (_, k) => (i * 64 + k) % set.count));
    const loss = crossEntropy(net.forward(x), y);
    backward(loss);
    await optimizer.step();
    // Read as a careless user would, without disposing of anything.
    await loss.item();
  }
  return process.memoryUsage().rss;
}

// The heap reaches its size within some hundred steps.
const after600 = await steps(600);
const after1600 = await steps(1000);
process.stdout.write(JSON.stringify({ after600, after1600 }));
