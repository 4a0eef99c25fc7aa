import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { fashionMnist as fromPage } from "../../src/data/browser.js";
import { fashionMnist } from "../../src/data/index.js";
import { openDevice } from "../../src/devices/open.js";
import { useDevice } from "../../src/tensor/evaluate.js";

useDevice(await openDevice("reference"));

const names = [
  "train-images-idx3-ubyte",
  "train-labels-idx1-ubyte",
  "t10k-images-idx3-ubyte",
  "t10k-labels-idx1-ubyte",
];
const gzipped = (name: string) => {
  const path = new URL(`../../samples/fashion-mnist/${name}.gz`, import.meta.url);
  return new Uint8Array(readFileSync(path));
};

test("files, plain and gzipped, hold what Node reads", async () => {
  const files = names.map((name, i) =>
    i % 2 === 0
      ? new File([new Uint8Array(gunzipSync(gzipped(name)))], name)
      : new File([gzipped(name)], `${name}.gz`),
  );
  const [ours, theirs] = [await fromPage({ files }), await fashionMnist({ sample: true })];
  expect(ours.source).toBe("Fashion-MNIST, 6,000 training and 1,000 test images, from files of your own.");
  const numbers = Int32Array.of(0, 4567, 5999);
  const [a, b] = [ours.trainSet.batch(numbers), theirs.trainSet.batch(numbers)];
  expect(await a.y.data()).toEqual(await b.y.data());
  expect(Buffer.compare(Buffer.from((await a.x.data()).buffer), Buffer.from((await b.x.data()).buffer))).toBe(
    0,
  );
});

test("a file cut short, or of another kind, is named", async () => {
  const with0 = (first: File) => [
    first,
    ...names.slice(1).map((name) => new File([gzipped(name)], `${name}.gz`)),
  ];
  const short = new File([gzipped(names[0]!).subarray(0, 10_000)], `${names[0]}.gz`);
  await expect(fromPage({ files: with0(short) })).rejects.toThrow(
    "train-images-idx3-ubyte.gz cannot be read to its end",
  );
  const text = new File(["<!doctype html>"], names[0]!);
  await expect(fromPage({ files: with0(text) })).rejects.toThrow(
    "train-images-idx3-ubyte begins with 3c 21 64 6f",
  );
  await expect(fromPage({ files: [] })).rejects.toThrow("is not among the 0 files");
});
