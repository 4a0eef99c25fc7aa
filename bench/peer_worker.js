/**
 * A peer's side of a race, in a process of its own: `peer_worker.js tfjs` or `peer_worker.js jax-js`. Plain JavaScript,
 * since the peers are installed for a race only (`npm install --no-save @tensorflow/tfjs @jax-js/jax`).
 */
import { readFileSync } from "node:fs";

const rate = 0.9;
const classes = 10;
const imageCount = (batch) => batch * 28 * 28;

/** Pixels between 0 and 1; what they are does not matter to a step's time. */
const pixels = (batch) => Float32Array.from({ length: imageCount(batch) }, (_, k) => ((k * 37) % 101) / 101);
const labels = (batch) => Int32Array.from({ length: batch }, (_, k) => k % classes);

/** LeNet by TF.js: its `cpu` backend, since `wasm` lacks the gradients of a convolution. */
async function tfjs(batch) {
  const tf = await import("@tensorflow/tfjs");
  tf.env().set("PROD", true);
  await tf.setBackend("cpu");
  const { conv2d, averagePooling2d, flatten, dense } = tf.layers;
  const activation = "sigmoid";
  const net = tf.sequential({
    layers: [
      conv2d({ inputShape: [28, 28, 1], filters: 6, kernelSize: 5, padding: "same", activation }),
      averagePooling2d({ poolSize: 2, strides: 2 }),
      conv2d({ filters: 16, kernelSize: 5, activation }),
      averagePooling2d({ poolSize: 2, strides: 2 }),
      flatten(),
      dense({ units: 120, activation }),
      dense({ units: 84, activation }),
      dense({ units: classes }),
    ],
  });
  const optimizer = tf.train.sgd(rate);
  const x = tf.tensor(pixels(batch), [batch, 28, 28, 1]);
  const y = tf.oneHot(tf.tensor1d(labels(batch), "int32"), classes);
  return async () => {
    const loss = optimizer.minimize(() => tf.losses.softmaxCrossEntropy(y, net.apply(x)), true);
    await loss.data();
    loss.dispose();
  };
}

/** LeNet by jax-js on its `wasm` backend, the whole step under `jit`. */
async function jaxJs(batch) {
  const { blockUntilReady, defaultDevice, init, jit, lax, nn, numpy, valueAndGrad } = await import(
    "@jax-js/jax"
  );
  await init("wasm");
  defaultDevice("wasm");
  const array = (shape) => {
    const count = shape.reduce((a, b) => a * b, 1);
    return numpy
      .array(Float32Array.from({ length: count }, (_, k) => (((k * 61) % 97) / 97 - 0.5) / 5))
      .reshape(shape);
  };
  let parameters = [
    [6, 1, 5, 5],
    [6],
    [16, 6, 5, 5],
    [16],
    [400, 120],
    [120],
    [120, 84],
    [84],
    [84, classes],
    [classes],
  ].map(array);
  const x = numpy.array(pixels(batch)).reshape([batch, 1, 28, 28]);
  const y = nn.oneHot(numpy.array(labels(batch)), classes);
  const pool = (h, channels, size) =>
    h
      .reshape([batch, channels, size / 2, 2, size / 2, 2])
      .sum([3, 5])
      .mul(0.25);
  const convolve = (h, weight, bias, channels, padding) =>
    nn.sigmoid(lax.convGeneralDilated(h, weight, [1, 1], padding).add(bias.reshape([1, channels, 1, 1])));
  const same = [
    [2, 2],
    [2, 2],
  ];
  const loss = ([w1, b1, w2, b2, w3, b3, w4, b4, w5, b5], images, targets) => {
    const first = pool(convolve(images, w1, b1, 6, same), 6, 28);
    const second = pool(convolve(first, w2, b2, 16, "VALID"), 16, 10).reshape([batch, 400]);
    const third = nn.sigmoid(numpy.dot(second, w3).add(b3));
    const fourth = nn.sigmoid(numpy.dot(third, w4).add(b4));
    return nn
      .logSoftmax(numpy.dot(fourth, w5).add(b5))
      .mul(targets)
      .sum()
      .mul(-1 / batch);
  };
  const lossAndGradients = valueAndGrad(loss);
  const step = jit((now, images, targets) => {
    const [value, gradients] = lossAndGradients(
      now.map((one) => one.ref),
      images,
      targets,
    );
    return [value, now.map((one, k) => one.sub(gradients[k].mul(rate)))];
  });
  return async () => {
    const [value, next] = step(parameters, x.ref, y.ref);
    parameters = next;
    await value.data();
    await blockUntilReady(parameters.map((one) => one.ref));
  };
}

const peers = { tfjs, "jax-js": jaxJs };
const packages = { tfjs: "@tensorflow/tfjs", "jax-js": "@jax-js/jax" };
const name = process.argv[2];
let step;

async function answer({ cmd, work, steps }) {
  if (cmd === "memory") {
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
    return { peakMemoryMB: Number(peak?.[1] ?? 0) / 1024 };
  }
  if (cmd === "setup") {
    try {
      step = await peers[name](work.batchSize);
    } catch (error) {
      if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
      throw new Error(`${name} is not installed: npm install --no-save ${packages[name]}`);
    }
    // Compiles, and is not counted.
    await step();
    return { flop: 0, device: name };
  }
  const seconds = [];
  const faults = process.resourceUsage().minorPageFault;
  for (let i = 0; i < steps; i++) {
    const start = performance.now();
    await step();
    seconds.push((performance.now() - start) / 1000);
  }
  return { seconds, pageFaults: process.resourceUsage().minorPageFault - faults };
}

process.on("message", (command) => {
  answer(command).then(
    (result) => process.send(result),
    (error) => process.send({ error: error.message }),
  );
});
