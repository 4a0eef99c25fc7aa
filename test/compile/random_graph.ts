import type { Passes } from "../../src/compile/compile.js";
import { philox4x32 } from "../../src/core/scalar.js";
import { elementCount, type Shape } from "../../src/core/shape.js";
import type { Device } from "../../src/devices/device.js";
import { openReference } from "../../src/devices/reference/reference.js";
import { conv2d } from "../../src/ops/conv.js";
import { backward } from "../../src/ops/gradients.js";
import { matmul } from "../../src/ops/matmul.js";
import { concat, flip, pad, permute, reshape, slice } from "../../src/ops/movement.js";
import { add, exp, maximum, mul, relu, sigmoid, sub, tanh } from "../../src/ops/pointwise.js";
import { avgPool2d, maxPool2d } from "../../src/ops/pool.js";
import { dropout, manualSeed } from "../../src/ops/random.js";
import { max, mean, sum } from "../../src/ops/reduce.js";
import { logSoftmax } from "../../src/ops/softmax.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { type Tensor, tensor, variable } from "../../src/tensor/tensor.js";
import { relativeError } from "../support/compare.js";

/** A stream of choices that depends on a seed alone. */
class Choices {
  private count = 0;
  constructor(private readonly seed: number) {}
  below(n: number): number {
    return philox4x32([this.count++, 77, 0, 0], [this.seed, 0])[0] % n;
  }
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
  values(shape: Shape): Tensor {
    return tensor(
      Float32Array.from({ length: elementCount(shape) }, () => this.below(2000) / 1000 - 1),
      shape,
    );
  }
}

const shapes: readonly Shape[] = [[3, 4], [1, 4], [4], [2, 3, 4], [2, 3, 1], [2, 2, 5, 4]];

/** One more tensor, made from those there are. */
function grow(c: Choices, pool: readonly Tensor[]): Tensor {
  const a = c.of(pool);
  const rank = a.shape.length;
  const axis = rank > 0 ? c.below(rank) : 0;
  const partner = pool.filter((b) => `${b.shape}` === `${a.shape}`);
  switch (c.below(18)) {
    case 0:
      return tanh(add(a, c.of(partner)));
    case 1:
      return mul(a, tanh(c.of(partner)));
    case 2:
      return sub(sigmoid(a), c.below(5) / 3);
    case 3:
      return relu(a);
    case 4:
      return maximum(a, c.of(partner));
    case 5:
      return exp(mul(tanh(a), 0.5));
    case 6:
      return permute(
        a,
        a.shape.map((_, i) => (i + 1) % rank),
      );
    case 7:
      return reshape(a, [elementCount(a.shape)]);
    case 8:
      return rank > 0 ? flip(a, [axis]) : a;
    case 9:
      return slice(
        a,
        a.shape.map(() => 0),
        a.shape.map((size, i) => (i === axis && size > 1 ? size - 1 : size)),
      );
    case 10:
      return rank > 0 ? concat([a, tanh(c.of(partner))], axis) : a;
    case 11:
      return pad(
        a,
        a.shape.map((_, i) => (i === axis ? [1, 2] : [0, 0])),
      );
    case 12:
      return rank > 0 ? sum(a, { axes: [axis], keepDims: true }) : a;
    case 13:
      return rank > 0 ? sub(a, max(a, { axes: [axis], keepDims: true })) : a;
    case 14:
      return rank >= 2
        ? matmul(
            a,
            permute(
              a,
              [...a.shape.keys()].map((i) => (i === rank - 2 ? rank - 1 : i === rank - 1 ? rank - 2 : i)),
            ),
          )
        : a;
    case 15:
      return rank > 0 ? logSoftmax(a, axis) : a;
    case 16:
      return dropout(a, 0.25);
    default: {
      if (rank !== 4 || a.shape[2]! < 3 || a.shape[3]! < 3) return tanh(a);
      const pooled = c.below(2)
        ? maxPool2d(a, { kernelSize: 2, stride: 1 })
        : avgPool2d(a, { kernelSize: [2, 1] });
      const channels = pooled.shape[1]!;
      return relu(conv2d(pooled, c.values([3, channels, 2, 2]), null, { padding: 1 }));
    }
  }
}

/** Two training steps of a random network; everything it leaves behind. */
export async function leftBehind(seed: number, device: Device, passes: Passes): Promise<Float32Array[]> {
  useDevice(device, { passes });
  manualSeed(seed);
  const c = new Choices(seed);
  const variables = shapes.map((shape) => variable(c.values(shape), { requiresGrad: true }));
  const found: Float32Array[] = [];
  for (let step = 0; step < 2; step++) {
    const pool: Tensor[] = [...variables];
    for (let i = 0; i < 14; i++) {
      const next = grow(c, pool);
      if (elementCount(next.shape) <= 400) pool.push(next);
    }
    let loss = mean(tanh(pool.at(-1)!));
    for (const one of pool.slice(-6, -1)) loss = add(loss, mul(mean(tanh(one)), 0.3));
    backward(loss);
    const [a, b, v, d, e, w] = variables as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
    for (const one of [b, d, e]) if (one.grad && c.below(4) > 0) one.assign(sub(one, mul(one.grad, 0.1)));
    for (const one of variables) one.grad = null;
    // Variables that read each other's old values, and one that reads itself at other places.
    if (c.below(2)) w.assign(flip(w, [1]));
    if (c.below(2)) {
      const [oldA, oldV] = [add(a, 0), add(v, 0)];
      a.assign(add(mul(oldA, 0.5), oldV));
      v.assign(sum(oldA, { axes: 0 }));
    }
    found.push((await loss.data()) as Float32Array);
  }
  for (const one of variables) found.push((await one.data()) as Float32Array);
  return found;
}

export const plain: Passes = { fuse: false, reuse: false };
export const settings: [string, Passes][] = [
  ["fusion", { fuse: true, reuse: false }],
  ["reuse", { fuse: false, reuse: true }],
  ["fusion and reuse", { fuse: true, reuse: true }],
];

/**
 * Runs a random graph on a device with no pass and with all of them, or with each too; sentences on where it differs from
 * the reference device.
 */
export async function graphDifferences(
  seed: number,
  device: Device,
  { each = true } = {},
): Promise<string[]> {
  const found: string[] = [];
  const expected = await leftBehind(seed, openReference(), plain);
  for (const [label, passes] of [["no pass", plain], ...settings.slice(each ? 0 : -1)] as const) {
    const actual = await leftBehind(seed, device, passes);
    for (const [i, values] of actual.entries()) {
      const error = relativeError(values, expected[i]!);
      if (!(error < 1e-4)) found.push(`graph ${seed}, ${label}, result ${i}: an error of ${error}`);
    }
  }
  return found;
}
