/**
 * A peer's side of a race, in a process of its own: `peer_worker.js tfjs` or `peer_worker.js jax-js`, with `webgpu` behind
 * it on the GPU. Plain JavaScript, since the peers are installed for a race only
 * (`npm install --no-save @tensorflow/tfjs @tensorflow/tfjs-backend-webgpu @jax-js/jax`).
 */
import { readFileSync } from "node:fs";

const [name, device] = process.argv.slice(2);
const isOnGpu = device === "webgpu";

/** The GPU and the names that a page has, by the same package as our side's. */
async function actAsPage() {
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals, { WorkerGlobalScope: class {} });
  Object.defineProperty(globalThis, "navigator", { value: { gpu: create([]), userAgent: "Node" } });
}

/** Values between -0.1 and 0.1. */
const values = (count) => Float32Array.from({ length: count }, (_, k) => (((k * 61) % 97) / 97 - 0.5) / 5);

const rate = 0.9;
const classes = 10;
const imageCount = (batch) => batch * 28 * 28;

/** Pixels between 0 and 1; what they are does not matter to a step's time. */
const pixels = (batch) => Float32Array.from({ length: imageCount(batch) }, (_, k) => ((k * 37) % 101) / 101);
const labels = (batch) => Int32Array.from({ length: batch }, (_, k) => k % classes);

/** TF.js, without a GPU on its `cpu` backend, since `wasm` lacks the gradients of a convolution. */
async function openTfjs() {
  const tf = await import("@tensorflow/tfjs");
  if (isOnGpu) await import("@tensorflow/tfjs-backend-webgpu");
  tf.env().set("PROD", true);
  const backend = isOnGpu ? "webgpu" : "cpu";
  // False where it fell back to another.
  if (!(await tf.setBackend(backend))) throw new Error(`tfjs could not open its backend ${backend}`);
  return tf;
}

async function tfjsLenet({ batchSize: batch }) {
  const tf = await openTfjs();
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

async function tfjsProduct({ m, n, k }) {
  const tf = await openTfjs();
  const [a, b] = [tf.tensor(values(m * k), [m, k]), tf.tensor(values(k * n), [k, n])];
  return async () => {
    const product = tf.matMul(a, b);
    // It submits what it is asked to read, and nothing before; a megabyte is soon copied.
    await product.data();
    product.dispose();
  };
}

/** jax-js, and how it makes an array. */
async function openJaxJs() {
  const jax = await import("@jax-js/jax");
  const backend = isOnGpu ? "webgpu" : "wasm";
  if (!(await jax.init(backend)).includes(backend))
    throw new Error(`jax-js could not open its backend ${backend}`);
  jax.defaultDevice(backend);
  const array = (shape) => jax.numpy.array(values(shape.reduce((a, b) => a * b, 1))).reshape(shape);
  return { ...jax, array };
}

async function jaxJsProduct({ m, n, k }) {
  const { array, blockUntilReady, jit, numpy } = await openJaxJs();
  const [a, b] = [array([m, k]), array([k, n])];
  const product = jit((x, y) => numpy.dot(x, y));
  return () => blockUntilReady(product(a.ref, b.ref));
}

/** The whole step under `jit`. */
async function jaxJsLenet({ batchSize: batch }) {
  const { array, blockUntilReady, jit, lax, nn, numpy, valueAndGrad } = await openJaxJs();
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

const peers = {
  tfjs: { "lenet-step": tfjsLenet, sgemm: tfjsProduct },
  "jax-js": { "lenet-step": jaxJsLenet, sgemm: jaxJsProduct },
};
const packages = { tfjs: "@tensorflow/tfjs @tensorflow/tfjs-backend-webgpu", "jax-js": "@jax-js/jax" };
let step;

async function answer({ cmd, work, warmUp = 1, steps }) {
  if (cmd === "memory") {
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
    return { peakMemoryMB: Number(peak?.[1] ?? 0) / 1024 };
  }
  if (cmd === "setup") {
    try {
      if (isOnGpu) await actAsPage();
      step = await peers[name][work.what](work);
    } catch (error) {
      if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
      throw new Error(`${name} is not installed: npm install --no-save ${packages[name]}`);
    }
    // Compiles, and is not counted.
    for (let i = 0; i < warmUp; i++) await step();
    return { flop: 0, device: name };
  }
  const seconds = [];
  const before = process.resourceUsage();
  for (let i = 0; i < steps; i++) {
    const start = performance.now();
    await step();
    seconds.push((performance.now() - start) / 1000);
  }
  const after = process.resourceUsage();
  return {
    seconds,
    pageFaults: after.minorPageFault - before.minorPageFault,
    processorSeconds:
      (after.userCPUTime + after.systemCPUTime - before.userCPUTime - before.systemCPUTime) / 1e6,
  };
}

process.on("message", (command) => {
  answer(command).then(
    (result) => process.send(result),
    (error) => process.send({ error: error.message }),
  );
});
