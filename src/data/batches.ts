import { philox4x32 } from "../core/scalar.js";
import { batchCount } from "./dataset.js";

/** Draws of the shuffle are counted from here, so that no layer's random numbers repeat them. */
const shuffleDraws = 0x80000000;

/** The numbers 0 to count - 1 in an order that depends on seed and epoch alone (Fisher and Yates under Philox). */
export function shuffledOrder(count: number, seed: number, epoch: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0] as const;
  for (let i = count - 1; i > 0; i--) {
    const [word] = philox4x32([i, shuffleDraws + epoch, 0, 0], key);
    const j = Math.floor((word / 2 ** 32) * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** Cuts an order into batches; the last one may be smaller. */
export function* batches(order: Int32Array, batchSize: number): Generator<Int32Array> {
  const count = batchCount(order.length, batchSize);
  for (let i = 0; i < count; i++) yield order.slice(i * batchSize, (i + 1) * batchSize);
}
