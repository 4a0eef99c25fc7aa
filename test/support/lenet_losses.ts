import type { ImageData } from "../../src/data/portable.js";
import { lenet } from "../../src/models/lenet.js";
import { manualSeed } from "../../src/ops/random.js";
import { sgd } from "../../src/optim/index.js";
import { train } from "../../src/train/browser.js";

/** Losses of LeNet's first steps in batches of 32, on the device in use; the same in Node and in a page. */
export async function lenetLosses({ trainSet, testSet }: ImageData<28>, steps: number): Promise<number[]> {
  manualSeed(0);
  const losses: number[] = [];
  const stop = new AbortController();
  await train(lenet(), {
    trainSet,
    testSet,
    optimizer: sgd({ learningRate: 0.1 }),
    batchSize: 32,
    signal: stop.signal,
    onStep: async ({ loss }) => {
      losses.push(await loss.item());
      if (losses.length === steps) stop.abort();
    },
  });
  return losses;
}
