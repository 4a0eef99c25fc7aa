import { describe, expect, test } from "vitest";
import {
  type Augmentation,
  colorJitter,
  compose,
  pcaLighting,
  randomAffine,
  randomCrop,
  randomErasing,
  randomHorizontalFlip,
} from "../../src/data/augment.js";
import { manualSeed, rand, randn } from "../../src/ops/random.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { tensor } from "../../src/tensor/tensor.js";
import { testDevices } from "../support/test_devices.js";

const [n, h, w] = [6, 7, 9] as const;
type Sampler = (image: number, channel: number, y: number, x: number) => number;

function imagesOf(channels: number): { values: Float32Array; at: Sampler } {
  const values = Float32Array.from({ length: n * channels * h * w }, (_, i) => ((i * 37) % 101) / 101);
  const at: Sampler = (i, c, y, x) =>
    y >= 0 && y < h && x >= 0 && x < w ? values[((i * channels + c) * h + y) * w + x]! : 0;
  return { values, at };
}

/** Runs an augmentation under seed 5; `draws(k)` are the n numbers of its k-th uniform draw. */
async function run(change: Augmentation, channels: number) {
  const { values, at } = imagesOf(channels);
  manualSeed(5);
  const out = await change(tensor(values, [n, channels, h, w])).data();
  const draws = (draw: number): Promise<number[]> =>
    rand([n, 1, 1, 1], { draw, seed: 5 })
      .data()
      .then((all) => [...all]);
  return { out, at, draws };
}

function compare(out: ArrayLike<number>, channels: number, expected: Sampler, tolerance = 0): void {
  let worst = 0;
  for (let i = 0; i < n; i++)
    for (let c = 0; c < channels; c++)
      for (let y = 0; y < h; y++)
        for (let x = 0; x < w; x++)
          worst = Math.max(
            worst,
            Math.abs(out[((i * channels + c) * h + y) * w + x]! - expected(i, c, y, x)),
          );
  expect(worst).toBeLessThanOrEqual(tolerance);
}

for (const [name, device] of await testDevices()) {
  describe(`augmentation on ${name}`, () => {
    test("randomCrop moves every channel of an image alike, and fills with black", async () => {
      useDevice(device);
      const { out, at, draws } = await run(randomCrop({ padding: 3 }), 2);
      const shift = (u: number): number => Math.floor(u * 7) - 3;
      const [down, right] = [await draws(0), await draws(1)];
      expect(new Set(down.map(shift)).size).toBeGreaterThan(2);
      compare(out, 2, (i, c, y, x) => at(i, c, y + shift(down[i]!), x + shift(right[i]!)));
    });

    test("randomHorizontalFlip mirrors the share that p says", async () => {
      useDevice(device);
      const { out, at, draws } = await run(randomHorizontalFlip({ p: 0.4 }), 3);
      const mirrored = (await draws(0)).map((u) => u < 0.4);
      expect(mirrored).toContain(true);
      expect(mirrored).toContain(false);
      compare(out, 3, (i, c, y, x) => at(i, c, y, mirrored[i] ? w - 1 - x : x));
    });

    test("randomAffine samples bilinearly where a turned, enlarged and moved pixel comes from", async () => {
      useDevice(device);
      const { out, at, draws } = await run(
        randomAffine({ degrees: 40, scale: [0.7, 1.3], translate: [0.2, 0.1] }),
        2,
      );
      const [angle, factor, down, right] = await Promise.all([0, 1, 2, 3].map(draws));
      compare(
        out,
        2,
        (i, c, y, x) => {
          const a = ((angle![i]! * 80 - 40) * Math.PI) / 180;
          const s = factor![i]! * 0.6 + 0.7;
          const dy = (y - 3 - (down![i]! * 2 - 1) * 0.2 * h) / s;
          const dx = (x - 4 - (right![i]! * 2 - 1) * 0.1 * w) / s;
          const fromY = Math.cos(a) * dy - Math.sin(a) * dx + 3;
          const fromX = Math.sin(a) * dy + Math.cos(a) * dx + 4;
          const [top, left] = [Math.floor(fromY), Math.floor(fromX)];
          const [fy, fx] = [fromY - top, fromX - left];
          return (
            at(i, c, top, left) * (1 - fy) * (1 - fx) +
            at(i, c, top, left + 1) * (1 - fy) * fx +
            at(i, c, top + 1, left) * fy * (1 - fx) +
            at(i, c, top + 1, left + 1) * fy * fx
          );
        },
        2e-5,
      );
    });

    test("an affine change of nothing changes nothing", async () => {
      useDevice(device);
      const { out, at } = await run(randomAffine({}), 1);
      compare(out, 1, at, 1e-6);
    });

    test("randomErasing puts the value in one rectangle of the images it picks", async () => {
      useDevice(device);
      const { out, at, draws } = await run(randomErasing({ p: 0.7, value: 9, scale: [0.1, 0.5] }), 2);
      const [area, stretch, top, left, pick] = await Promise.all([0, 1, 2, 3, 4].map(draws));
      const boxes = area!.map((u, i) => {
        const size = (u * 0.4 + 0.1) * h * w;
        const ratio = Math.exp(Math.log(0.3) + stretch![i]! * (Math.log(3.3) - Math.log(0.3)));
        const tall = Math.min(h, Math.floor(Math.sqrt(size * ratio) + 0.5));
        const wide = Math.min(w, Math.floor(Math.sqrt(size / ratio) + 0.5));
        const [y, x] = [Math.floor(top![i]! * (h - tall + 1)), Math.floor(left![i]! * (w - wide + 1))];
        return { on: pick![i]! < 0.7, y, x, tall, wide };
      });
      expect(boxes.some((box) => box.on)).toBe(true);
      expect(boxes.some((box) => !box.on)).toBe(true);
      compare(out, 2, (i, c, y, x) => {
        const box = boxes[i]!;
        const inside = y >= box.y && y < box.y + box.tall && x >= box.x && x < box.x + box.wide;
        return box.on && inside ? 9 : at(i, c, y, x);
      });
    });

    test("colorJitter changes brightness, contrast and saturation within bounds", async () => {
      useDevice(device);
      const { out, at, draws } = await run(
        colorJitter({ brightness: 0.3, contrast: 0.5, saturation: 0.4 }),
        3,
      );
      const factor = (u: number, amount: number): number => 1 - amount + u * 2 * amount;
      const [b, k, s] = await Promise.all([0, 1, 2].map(draws));
      const clamped = (value: number): number => Math.min(1, Math.max(0, value));
      const luminance = (read: (c: number) => number): number =>
        0.299 * read(0) + 0.587 * read(1) + 0.114 * read(2);
      const bright: Sampler = (i, c, y, x) => clamped(at(i, c, y, x) * factor(b![i]!, 0.3));
      const means = b!.map((_, i) => {
        let total = 0;
        for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) total += luminance((c) => bright(i, c, y, x));
        return total / (h * w);
      });
      const contrasted: Sampler = (i, c, y, x) =>
        clamped(means[i]! + (bright(i, c, y, x) - means[i]!) * factor(k![i]!, 0.5));
      compare(
        out,
        3,
        (i, c, y, x) => {
          const grey = luminance((channel) => contrasted(i, channel, y, x));
          return clamped(grey + (contrasted(i, c, y, x) - grey) * factor(s![i]!, 0.4));
        },
        2e-5,
      );
    });

    test("pcaLighting adds one colour to an image, along ImageNet's components", async () => {
      useDevice(device);
      const { out, at } = await run(pcaLighting({ std: 0.2 }), 3);
      manualSeed(5);
      const normal = await randn([n, 3]).data();
      const components = [
        [-0.5675, -0.5808, -0.5836],
        [0.7192, -0.0045, -0.6948],
        [0.4009, -0.814, 0.4203],
      ];
      const deviations = [0.2175, 0.0188, 0.0045];
      compare(
        out,
        3,
        (i, c, y, x) =>
          at(i, c, y, x) +
          components.reduce((sum, part, k) => sum + normal[i * 3 + k]! * 0.2 * deviations[k]! * part[c]!, 0),
        2e-6,
      );
    });

    test("the same seed gives the same bits, composed too; the next batch others", async () => {
      useDevice(device);
      const change = compose(randomCrop({ padding: 2 }), randomHorizontalFlip(), randomErasing());
      const { values } = imagesOf(1);
      const once = async (): Promise<string> =>
        Buffer.from((await change(tensor(values, [n, 1, h, w])).data()).buffer).toString("base64");
      manualSeed(3);
      const [first, second] = [await once(), await once()];
      manualSeed(3);
      expect((await once()) === first).toBe(true);
      expect(second === first).toBe(false);
    });
  });
}

test("bad settings are named", () => {
  expect(() => randomCrop({ padding: 1.5 })).toThrow(/padding is 1.5; give a whole number/);
  expect(() => randomHorizontalFlip({ p: 2 })).toThrow(/p is 2; give a probability/);
  expect(() => randomAffine({ degrees: -1 })).toThrow(/degrees is -1/);
  expect(() => randomAffine({ scale: [2, 1] })).toThrow(/scale is \[2, 1\]/);
  expect(() => randomAffine({ translate: [0, 3] })).toThrow(/translate holds 3/);
  expect(() => randomErasing({ ratio: [0, 1] })).toThrow(/ratio is \[0, 1\]/);
  expect(() => colorJitter({ contrast: Number.NaN })).toThrow(/contrast is NaN/);
  expect(() => pcaLighting({ std: -1 })).toThrow(/std is -1/);
  expect(() => pcaLighting()(tensor([1], [1, 1, 1, 1]))).toThrow(/3 channels, got 1/);
});
