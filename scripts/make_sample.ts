// Makes samples/fashion-mnist/ from the whole data set: the first 600 training and the first 100 test
// images of each class, in their original order, and the first three test images as PNG in samples/images/.
// Run with: npx tsx scripts/make_sample.ts [directory]
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { atomicWrite } from "../src/core/atomic_write.js";
import { loadImageSet } from "../src/data/fashion_mnist.js";
import { encodeIdx } from "../src/data/idx.js";
import type { LabelledImages } from "../src/data/image_set.js";

const directory = process.argv[2] ?? "/usr/share/datasets/fashion-mnist";
const target = fileURLToPath(new URL("../samples/fashion-mnist/", import.meta.url));
const pictures = fileURLToPath(new URL("../samples/images/", import.meta.url));

/** The indices of the first `perClass` images of each class, ascending. */
function firstOfEachClass(labels: Uint8Array, perClass: number): number[] {
  const taken = new Map<number, number>();
  const indices: number[] = [];
  labels.forEach((label, index) => {
    const count = taken.get(label) ?? 0;
    if (count === perClass) return;
    taken.set(label, count + 1);
    indices.push(index);
  });
  return indices;
}

async function writePart(prefix: string, part: LabelledImages, perClass: number): Promise<void> {
  const { images, labels, height, width } = part;
  const indices = firstOfEachClass(labels, perClass);
  const size = height * width;
  const chosen = new Uint8Array(indices.length * size);
  indices.forEach((from, to) => {
    chosen.set(images.subarray(from * size, (from + 1) * size), to * size);
  });
  const files = {
    [`${prefix}-images-idx3-ubyte.gz`]: { shape: [indices.length, height, width], data: chosen },
    [`${prefix}-labels-idx1-ubyte.gz`]: {
      shape: [indices.length],
      data: Uint8Array.from(indices, (index) => labels[index]!),
    },
  };
  for (const [name, array] of Object.entries(files)) {
    // Node's gzip header carries no name and the time 0, so the same images give the same bytes.
    await atomicWrite(join(target, name), gzipSync(encodeIdx(array), { level: 9 }));
  }
  console.log(`${prefix}: ${indices.length} images`);
}

async function writePictures(
  part: LabelledImages,
  classNames: readonly string[],
  count: number,
): Promise<void> {
  const { images, labels, height, width } = part;
  for (let i = 0; i < count; i++) {
    const pixels = images.subarray(i * height * width, (i + 1) * height * width);
    const grey = sharp(pixels, { raw: { width, height, channels: 1 } }).toColourspace("b-w");
    const png = await grey.png().toBuffer();
    await atomicWrite(join(pictures, `${classNames[labels[i]!]!.replace(" ", "-")}.png`), png);
  }
}

const { train, test, classNames } = await loadImageSet({ name: "fashion-mnist", directory });
await mkdir(target, { recursive: true });
await writePart("train", train, 600);
await writePart("t10k", test, 100);
await mkdir(pictures, { recursive: true });
await writePictures(test, classNames, 3);
