import { shuffledOrder } from "../../src/data/batches.js";
import { zeros } from "../../src/ops/creation.js";
import { add } from "../../src/ops/pointwise.js";
import { dropout, rand } from "../../src/ops/random.js";

/** What seeds decide, made on the device in use: a dropout mask, uniform numbers, and the order of two epochs; equal everywhere, bit for bit. */
export async function randomBits(): Promise<Record<"mask" | "uniform" | "first" | "second", number[]>> {
  return {
    mask: [...(await dropout(add(zeros([1000]), 1), 0.5, { draw: 3, seed: 7 }).data())],
    uniform: [...(await rand([1000], { draw: 5, seed: 9 }).data())],
    first: [...shuffledOrder(1000, 2 ** 40 + 7, 0)],
    second: [...shuffledOrder(1000, 2 ** 40 + 7, 1)],
  };
}
