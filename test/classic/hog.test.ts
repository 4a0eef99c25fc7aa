import { expect, test } from "vitest";
import { type BlockNorm, hogFeatures } from "../../src/classic/index.js";
import { row } from "../../src/classic/matrix.js";
import { loadImageSet } from "../../src/data/index.js";
import { fixture } from "./data.js";

interface Case {
  readonly options: {
    orientations?: number;
    pixels_per_cell?: [number, number];
    cells_per_block?: [number, number];
    block_norm?: BlockNorm;
    transform_sqrt?: boolean;
  };
  readonly length: number;
  /** The first 400 features of the first two images. */
  readonly first: number[];
  /** Of each image: the sum of its features, then of each the sum weighted by cosines. */
  readonly sums: number[];
}

const { test: all } = await loadImageSet({ name: "fashion-mnist", sample: true });
const images = {
  ...all,
  count: 100,
  images: all.images.subarray(0, 100 * 784),
  labels: all.labels.subarray(0, 100),
};

for (const { options, length, first, sums } of fixture<Case[]>("hog.json"))
  test(`equals scikit-image with ${JSON.stringify(options)}`, async () => {
    const { orientations, pixels_per_cell, cells_per_block, block_norm, transform_sqrt } = options;
    const found = await hogFeatures(images, {
      ...(orientations && { orientations }),
      ...(pixels_per_cell && { pixelsPerCell: pixels_per_cell }),
      ...(cells_per_block && { cellsPerBlock: cells_per_block }),
      ...(block_norm && { blockNorm: block_norm }),
      ...(transform_sqrt && { transformSqrt: transform_sqrt }),
    });
    expect(found.columns).toBe(length);
    const shown = Math.min(length, 400);
    const worst = first.map((value, i) => Math.abs(row(found, Math.floor(i / shown))[i % shown]! - value));
    expect(Math.max(...worst)).toBeLessThan(1e-5);
    // A pixel in another bin moves these by far more than rounding does.
    const others = Array.from({ length: 100 }, (_, i) => {
      const values = row(found, i);
      const sum = values.reduce((total, v) => total + v, 0);
      const weighted = values.reduce((total, v, j) => total + v * Math.cos(j), 0);
      return Math.abs(sum - sums[i]!) > 1e-3 || Math.abs(weighted - sums[100 + i]!) > 1e-4;
    }).filter(Boolean).length;
    // Edges at 45 degrees, and square roots whose ratio is that of 60: a last bit of the arctangent decides the bin.
    expect(others).toBeLessThanOrEqual(orientations === 8 ? 1 : transform_sqrt ? 2 : 0);
  });

test("impossible settings are told in a sentence, no images give no rows", async () => {
  await expect(hogFeatures(images, { pixelsPerCell: [14, 14] })).rejects.toThrow(
    "at most the 2 x 2 cells of an image of 28 x 28 pixels",
  );
  await expect(hogFeatures(images, { orientations: 0 })).rejects.toThrow(
    "orientations is 0; give a whole number",
  );
  expect((await hogFeatures({ ...images, count: 0 })).rows).toBe(0);
});
