import { expect, test } from "vitest";
import { exactAtan2 } from "../../src/classic/arctangent.js";
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
    signed?: boolean;
    interpolate?: boolean;
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
  test(`equals ${options.signed || options.interpolate ? "tents in NumPy" : "scikit-image"} with ${JSON.stringify(options)}`, async () => {
    const {
      orientations,
      pixels_per_cell,
      cells_per_block,
      block_norm,
      transform_sqrt,
      signed,
      interpolate,
    } = options;
    const found = await hogFeatures(images, {
      ...(orientations && { orientations }),
      ...(pixels_per_cell && { pixelsPerCell: pixels_per_cell }),
      ...(cells_per_block && { cellsPerBlock: cells_per_block }),
      ...(block_norm && { blockNorm: block_norm }),
      ...(transform_sqrt && { transformSqrt: transform_sqrt }),
      ...(signed && { signed }),
      ...(interpolate && { interpolate }),
    });
    expect(found.columns).toBe(length);
    const shown = Math.min(length, 400);
    const worst = first.map((value, i) => Math.abs(row(found, Math.floor(i / shown))[i % shown]! - value));
    expect(Math.max(...worst)).toBeLessThan(1e-5);
    // Two sums over each image's features: a pixel in another bin moves them by 1e-3 and more.
    const [plain, weighted] = [sums.slice(0, 100), sums.slice(100)];
    const deviations = Array.from({ length: 100 }, (_, i) => {
      const values = Float64Array.from(row(found, i));
      const sum = values.reduce((total, v) => total + v, 0);
      const cosines = values.reduce((total, v, j) => total + v * Math.cos(j), 0);
      return Math.max(Math.abs(sum - plain[i]!), Math.abs(cosines - weighted[i]!));
    });
    expect(Math.max(...deviations)).toBeLessThan(1e-5);
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

// Ties at 45 degrees, which Math.atan2 leaves a bit short of, and angles everywhere.
test("angles are correctly rounded", () => {
  expect(exactAtan2(-0.05882352941176466, -0.05882352941176469)).toBe(-2.3561944901923453);
  expect([exactAtan2(1, 1), exactAtan2(1, 0), exactAtan2(0, -1)]).toEqual([
    Math.PI / 4,
    Math.PI / 2,
    Math.PI,
  ]);
  for (let k = -179; k < 180; k++) {
    const radians = (k * Math.PI) / 180;
    const [y, x] = [Math.sin(radians), Math.cos(radians)];
    expect(Math.abs(exactAtan2(y, x) - Math.atan2(y, x))).toBeLessThanOrEqual(4.5e-16);
  }
});
