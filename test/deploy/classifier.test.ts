import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { fashionMnist, loadImageSet } from "../../src/data/index.js";
import { Classifier } from "../../src/deploy/classifier.js";
import type { Pixels } from "../../src/deploy/classify.js";
import { fitImage } from "../../src/deploy/image.js";
import { loadTrained } from "../../src/deploy/saved_run.js";
import { openDevice } from "../../src/devices/open.js";
import { lenet } from "../../src/models/index.js";
import * as nn from "../../src/nn/index.js";
import { softmax } from "../../src/ops/softmax.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { tensor } from "../../src/tensor/tensor.js";
import { evaluate } from "../../src/train/evaluate.js";
import { relativeError } from "../support/compare.js";

const pictures = fileURLToPath(new URL("../../samples/images", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "flybrick-classifier-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

let classifier: Classifier;
let testImages: Pixels[];
beforeAll(async () => {
  useDevice(await openDevice("auto"));
  classifier = await Classifier.load("lenet");
  const { test } = await loadImageSet({ name: "fashion-mnist", sample: true });
  testImages = Array.from({ length: test.count }, (_, i) => ({
    data: test.images.subarray(i * 784, (i + 1) * 784),
    width: 28,
    height: 28,
  }));
});

describe("the LeNet that ships", () => {
  test("is right on the sample's test images as often as its README says of all of them", async () => {
    const { net, normalization } = await loadTrained("lenet");
    expect(net.parameterCount()).toBe(61_706);
    const { testSet } = await fashionMnist({ sample: true, normalize: normalization ?? false });
    const { accuracy } = await evaluate(net, testSet);
    const readme = readFileSync(new URL("../../weights/README.md", import.meta.url), "utf8");
    const stated = Number(/\| (0\.\d+) of 10,000/.exec(readme)![1]);
    expect(Math.abs(accuracy - stated)).toBeLessThan(0.01);
  });

  test("sees through a Classifier what it sees in evaluation, calls overlapping", async () => {
    const { net, normalization } = await loadTrained("lenet");
    const { testSet } = await fashionMnist({ sample: true, normalize: normalization ?? false });
    const numbers = Int32Array.from({ length: 100 }, (_, i) => i);
    const expected = await softmax(net.eval().forward(testSet.batch(numbers).x), 1).data();
    const guesses = await Promise.all(
      testImages.slice(0, 100).map((image) => classifier.predict(image, { top: 10 })),
    );
    const found = guesses.flatMap((all) =>
      [...all].sort((a, b) => a.index - b.index).map(({ probability }) => probability),
    );
    expect(relativeError(found, expected)).toBeLessThan(1e-5);
  });

  test("knows the pictures in samples/images, which hold the test images' very pixels", async () => {
    for (const [i, name] of ["ankle boot", "pullover", "trouser"].entries()) {
      const guesses = await classifier.predict(join(pictures, `${name.replace(" ", "-")}.png`));
      expect(guesses[0]).toMatchObject({ label: name, index: classifier.classNames.indexOf(name) });
      expect(guesses).toHaveLength(5);
      expect(guesses).toEqual(await classifier.predict(testImages[i]!));
    }
  });

  test("probabilities of all classes fall and sum to 1", async () => {
    const found = (await classifier.predict(testImages[3]!, { top: 10 })).map((guess) => guess.probability);
    expect(found).toEqual([...found].sort((a, b) => b - a));
    expect(found.reduce((sum, one) => sum + one)).toBeCloseTo(1, 5);
  });

  test("knows a large photo of a dark thing on white, if it is inverted", async () => {
    const path = join(work, "photo.jpeg");
    await photo("trouser").jpeg().toFile(path);
    const [best] = await classifier.predict(path, { invert: true });
    expect(best.label).toBe("trouser");
    expect((await classifier.predict(path))[0]!.label).not.toBe("trouser");
  });

  test("turns a photo as its camera was held", async () => {
    const lying = await photo("trouser").rotate(-90).jpeg().withMetadata({ orientation: 6 }).toBuffer();
    expect((await classifier.predict(lying, { invert: true }))[0]!.label).toBe("trouser");
  });
});

/** A picture of samples/images, dark on white, in a picture of 300 x 400. */
function photo(name: string) {
  return sharp(join(pictures, `${name}.png`))
    .toColourspace("srgb")
    .negate()
    .resize(280, 280)
    .extend({ left: 10, right: 10, top: 60, bottom: 60, background: "white" });
}

describe("an image is brought to a network's size", () => {
  const white = (width: number, height: number, channels = 1): Pixels => ({
    data: new Uint8Array(width * height * channels).fill(255),
    width,
    height,
  });
  /** The mean of each row. */
  const rows = ({ data, width, height }: Pixels): number[] =>
    Array.from(
      { length: height },
      (_, y) => [...data.subarray(y * width, (y + 1) * width)].reduce((a, b) => a + b) / width,
    );

  test("a wide one is shrunk between black margins", async () => {
    const fitted = await fitImage(white(80, 40), 1, [8, 8], false);
    expect(fitted).toMatchObject({ width: 8, height: 8 });
    expect(rows(fitted)).toEqual([0, 0, 255, 255, 255, 255, 0, 0]);
  });

  test("a small one keeps its pixels, the device enlarges it", async () => {
    const fitted = await fitImage(white(2, 4), 1, [8, 8], false);
    expect(fitted).toMatchObject({ width: 4, height: 4 });
    expect([...fitted.data.subarray(0, 4)]).toEqual([0, 255, 255, 0]);
  });

  test("margins and what is transparent are black once inverted", async () => {
    const fitted = await fitImage(
      { ...white(80, 40, 4), data: new Uint8Array(80 * 40 * 4) },
      1,
      [8, 8],
      true,
    );
    expect([...fitted.data]).toEqual(Array(64).fill(0));
    expect(rows(await fitImage(white(80, 40), 1, [8, 8], true))).toEqual(Array(8).fill(0));
  });

  test("grey becomes colour, colour grey", async () => {
    expect([...(await fitImage(white(1, 1), 3, [1, 1], false)).data]).toEqual([255, 255, 255]);
    expect([...(await fitImage(white(1, 1, 3), 1, [1, 1], false)).data]).toEqual([255]);
  });

  test("a WebP and a PNG of 16 bits are read", async () => {
    const grey = sharp({ create: { width: 4, height: 4, channels: 3, background: "#808080" } });
    const png = grey.clone().toColourspace("grey16").png();
    expect((await sharp(await png.toBuffer()).metadata()).depth).toBe("ushort");
    for (const image of [png, grey.clone().webp({ lossless: true })]) {
      const fitted = await fitImage(await image.toBuffer(), 1, [4, 4], false);
      expect(Math.abs(fitted.data[0]! - 128)).toBeLessThanOrEqual(1);
    }
  });
});

test("a colour network gets red, green and blue in its channels", async () => {
  const net = nn.sequential([3, 6, 6], nn.flatten(), nn.linear(108, 3, { bias: false }));
  const weight = Float32Array.from({ length: 3 * 108 }, (_, i) =>
    Math.floor(i / 108) === Math.floor((i % 108) / 36) ? 1 : 0,
  );
  net.loadParameters(new Map([["1.weight", tensor(weight, [3, 108])]]));
  const colours = new Classifier(net, { classNames: ["red", "green", "blue"] });
  for (const [i, name] of colours.classNames.entries()) {
    const data = Uint8Array.from({ length: 27 }, (_, k) => (k % 3 === i ? 255 : 0));
    expect((await colours.predict({ data, width: 3, height: 3 }))[0]).toMatchObject({ label: name });
  }
});

describe("mistakes are named", () => {
  const file = (name: string, content: string | Uint8Array): string => {
    const path = join(work, name);
    writeFileSync(path, content);
    return path;
  };

  test("a missing file, a directory", async () => {
    await expect(classifier.predict("no.png")).rejects.toThrow(
      "no.png cannot be read, because there is no such file or directory: name an image file",
    );
    await expect(classifier.predict(work)).rejects.toThrow(/because it is a directory/);
  });

  test.each([
    ["text", "hello"],
    ["nothing", ""],
    ["a drawing", '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>'],
  ])("%s", async (_, content) => {
    await expect(classifier.predict(file("no-image.png", content))).rejects.toThrow(
      /no-image\.png is not a PNG, JPEG or WebP image$/,
    );
  });

  test("an image cut short", async () => {
    const whole = await photo("pullover").png().toBuffer();
    await expect(classifier.predict(file("cut.png", whole.subarray(0, whole.length / 2)))).rejects.toThrow(
      /cut\.png is damaged \(.+\): get it again/,
    );
  });

  test("bytes that are no pixels", async () => {
    await expect(classifier.predict({ data: new Uint8Array(10), width: 3, height: 3 })).rejects.toThrow(
      "10 bytes are not 3 x 3 pixels of 1 to 4 channels",
    );
  });

  test("a run that is none, a run without weights, a run of an unknown model", async () => {
    await expect(Classifier.load("no-run")).rejects.toThrow(
      "there is no run no-run: name a directory that `npx flybrick train` wrote, or weights that ship (lenet)",
    );
    await expect(Classifier.load(work)).rejects.toThrow(/is not a run/);
    const run = mkdtempSync(join(work, "run-"));
    const config = { model: "lenet", resize: 28, data: "fashion-mnist", normalize: false };
    const write = (changes: object) =>
      writeFileSync(join(run, "config.json"), JSON.stringify({ ...config, ...changes }));
    write({});
    await expect(Classifier.load(run)).rejects.toThrow(
      /holds no weights yet, since no epoch of it was finished/,
    );
    write({ model: "resnet" });
    await expect(Classifier.load(run)).rejects.toThrow(/no model named "resnet"/);
    write({ resize: "28" });
    await expect(Classifier.load(run)).rejects.toThrow(/resize is "28"; it must be a whole number/);
    write({ data: "cifar" });
    await expect(Classifier.load(run)).rejects.toThrow(/no data set called "cifar"/);
  });

  test("no class asked for", async () => {
    await expect(classifier.predict(testImages[0]!, { top: 0 })).rejects.toThrow(
      "top is 0; give a whole number",
    );
  });

  test("a network that is no image classifier", () => {
    expect(() => new Classifier(lenet(), { classNames: ["a", "b"] })).toThrow(
      "2 class names, but the network puts out [10]",
    );
    const net = nn.sequential([4], nn.linear(4, 2));
    expect(() => new Classifier(net, { classNames: ["a", "b"] })).toThrow(/the network takes \[4\]/);
  });

  test("sharp is missing: files say so, pixels of the network's size need none", async () => {
    vi.doMock("sharp", () => {
      throw new Error("Cannot find package 'sharp'");
    });
    try {
      await expect(classifier.predict(join(pictures, "pullover.png"))).rejects.toThrow(
        /^images are read and drawn by the optional package sharp, which cannot be loaded here \(.*\): run `npm install sharp`$/,
      );
      expect((await classifier.predict(testImages[1]!))[0]!.label).toBe("pullover");
    } finally {
      vi.doUnmock("sharp");
    }
  });
});
