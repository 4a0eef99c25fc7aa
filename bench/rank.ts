/**
 * One rank of `bench/scaling.ts`, started by mpirun or alone: does what its argument (JSON) says, rank 0 prints what it
 * found as the last line.
 */
import { Dataset } from "../src/data/dataset.js";
import { loadImageSet } from "../src/data/fashion_mnist.js";
import { openDevice } from "../src/devices/open.js";
import type { MpiName } from "../src/distributed/launcher.js";
import { connectMpi } from "../src/distributed/mpi.js";
import type { ProcessGroup } from "../src/distributed/process_group.js";
import { alexnet } from "../src/models/alexnet.js";
import { backward } from "../src/ops/gradients.js";
import { crossEntropy } from "../src/ops/softmax.js";
import { GradientSums } from "../src/optim/gradient_sums.js";
import { sgd } from "../src/optim/index.js";
import { useDevice } from "../src/tensor/evaluate.js";
import { evaluate } from "../src/tensor/tensor.js";
import { Exchange, type ExchangeFigures } from "../src/train/exchange.js";
import { train } from "../src/train/train.js";

/** Of one step, in seconds: when each bucket of gradients is known, when all are, and when the update is done. */
export interface Parts {
  readonly buckets: readonly { readonly bytes: number; readonly known: number }[];
  readonly gradients: number;
  readonly step: number;
}

export interface Found {
  /** Images a second of each epoch but the first. */
  readonly train: { readonly rates: readonly number[]; readonly exchange?: ExchangeFigures };
  readonly parts: readonly Parts[];
  /** Of a sum over ranks, each size in bytes. */
  readonly allReduce: readonly { readonly bytes: number; readonly seconds: readonly number[] }[];
  /** Images a second that the data set gives, resized to 224. */
  readonly loader: readonly number[];
}

export interface Task {
  readonly what: keyof Found;
  readonly library?: MpiName;
  readonly threads: number;
  /** Images a step, of all ranks or, for parts, of this one. */
  readonly batchSize: number;
  readonly steps: number;
  readonly sizes?: readonly number[];
}

const task = JSON.parse(process.argv[2]!) as Task;
const group = task.library ? await connectMpi({ library: task.library }) : undefined;

async function images(count: number, size: number): Promise<Dataset> {
  const { train, classNames } = await loadImageSet({ name: "fashion-mnist", sample: true });
  const { height, width } = train;
  const first = {
    ...train,
    count,
    images: train.images.slice(0, count * height * width),
    labels: train.labels.slice(0, count),
  };
  return new Dataset(first, classNames, { size });
}

/** What `train()` makes of it, three epochs of `steps`; the first is warm-up. */
async function trained(): Promise<Found["train"]> {
  const rates: number[] = [];
  const { exchange } = await train(alexnet(), {
    trainSet: await images(task.batchSize * task.steps, 224),
    testSet: await images(2, 224),
    optimizer: sgd({ learningRate: 0.01 }),
    batchSize: task.batchSize,
    epochs: 3,
    ...(group ? { distributed: group } : {}),
    onEpoch: ({ examplesPerSecond }) => void rates.push(examplesPerSecond),
  });
  return { rates: rates.slice(1), ...(exchange ? { exchange } : {}) };
}

/** A step as ranks take it, but that sums are what they were: only when they are asked for counts. */
async function parts(): Promise<Parts[]> {
  const net = alexnet();
  const set = await images(task.batchSize, 224);
  const numbers = Int32Array.from({ length: task.batchSize }, (_, i) => i);
  const optimizer = sgd(net.parameters(), { learningRate: 0.01 });
  const known: { bytes: number; at: number }[] = [];
  const silent = {
    bucketBytes: 4 << 20,
    async sumInPlace({ count }: { count: number }) {
      known.push({ bytes: 4 * count, at: performance.now() });
      return { waiting: 0, summing: 0 };
    },
  } as unknown as ProcessGroup;
  const sums = new GradientSums(net.parameters());
  const exchange = new Exchange(silent, sums.variables);
  const found: Parts[] = [];
  for (let i = -2; i < task.steps; i++) {
    // Together, since ranks share the memory's bandwidth.
    await group?.sum([]);
    known.length = 0;
    const start = performance.now();
    const { x, y } = set.batch(numbers);
    backward(crossEntropy(net.forward(x), y));
    sums.take(true);
    await exchange.run();
    const gradients = (performance.now() - start) / 1000;
    sums.give();
    await optimizer.step();
    const step = (performance.now() - start) / 1000;
    const buckets = known.map(({ bytes, at }) => ({ bytes, known: (at - start) / 1000 }));
    if (i >= 0) found.push({ buckets, gradients, step });
  }
  return found;
}

async function allReduce(): Promise<Found["allReduce"]> {
  const floats = new Float32Array(new SharedArrayBuffer(Math.max(...task.sizes!)));
  const found: { bytes: number; seconds: number[] }[] = [];
  for (const bytes of task.sizes!) {
    const seconds: number[] = [];
    for (let i = -2; i < task.steps; i++) {
      const { summing } = await group!.sumInPlace({ shared: floats, count: bytes / 4 });
      if (i >= 0) seconds.push(summing);
    }
    found.push({ bytes, seconds });
  }
  return found;
}

async function loader(): Promise<number[]> {
  const set = await images(task.batchSize, 224);
  const numbers = Int32Array.from({ length: task.batchSize }, (_, i) => i);
  const rates: number[] = [];
  for (let i = -2; i < task.steps; i++) {
    const start = performance.now();
    await evaluate(set.batch(numbers).x);
    if (i >= 0) rates.push((task.batchSize * 1000) / (performance.now() - start));
  }
  return rates;
}

useDevice(await openDevice("cpu", { threads: task.threads }));
const work: { readonly [What in keyof Found]: () => Promise<Found[What]> } = {
  train: trained,
  parts,
  allReduce,
  loader,
};
const found = await work[task.what]();
if (!group || group.rank === 0) console.log(JSON.stringify(found));
await group?.close();
