import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadImageSet } from "../../src/data/fashion_mnist.js";
import { encodeIdx } from "../../src/data/idx.js";
import type { LabelledImages } from "../../src/data/image_set.js";

/** Writes the first images of the shipped sample as a data directory of its own. */
export async function writeFewImages(directory: string, train: number, test: number): Promise<void> {
  const sample = await loadImageSet({ name: "fashion-mnist", sample: true });
  mkdirSync(directory, { recursive: true });
  for (const [name, set, count] of [
    ["train", sample.train, train],
    ["t10k", sample.test, test],
  ] as const) {
    const { images, labels, height, width } = set;
    const pixels = images.slice(0, count * height * width);
    const write = (file: string, shape: number[], data: Uint8Array): void =>
      writeFileSync(join(directory, `${name}-${file}-ubyte`), encodeIdx({ shape, data }));
    write("images-idx3", [count, height, width], pixels);
    write("labels-idx1", [count], labels.slice(0, count));
  }
}

/** The first `count` of them. */
export function firstImages<Images extends LabelledImages>(all: Images, count: number): Images {
  const { images, labels, channels, height, width } = all;
  return {
    ...all,
    count,
    images: images.slice(0, count * channels * height * width),
    labels: labels.slice(0, count),
  };
}
