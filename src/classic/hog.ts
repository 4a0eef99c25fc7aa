import type { LabelledImages } from "../data/index.js";
import { exactAtan2 } from "./arctangent.js";
import { isCount, requireSetting, Stepper, type WorkOptions } from "./estimator.js";
import { type Matrix, row, zeroMatrix } from "./matrix.js";

export type BlockNorm = "L1" | "L1-sqrt" | "L2" | "L2-Hys";

export interface HogOptions {
  /** Bins of half a turn, or of a whole one where `signed`; 9 if left out. */
  readonly orientations?: number;
  /** Rows and columns; [8, 8] if left out. */
  readonly pixelsPerCell?: readonly [number, number];
  /** Rows and columns; [3, 3] if left out. */
  readonly cellsPerBlock?: readonly [number, number];
  /** `L2-Hys` if left out: L2, cut off at 0.2, L2 again. */
  readonly blockNorm?: BlockNorm;
  /** Take the square root of every pixel first. */
  readonly transformSqrt?: boolean;
  /** Tell an edge from dark to light from one from light to dark, which scikit-image does not. */
  readonly signed?: boolean;
  /**
   * Share a pixel's vote among the two orientations and the four cells whose centres are nearest, as Dalal and Triggs do
   * and scikit-image does not: an edge that moves or turns a little then changes little.
   */
  readonly interpolate?: boolean;
}

const epsilon = 1e-5;

/**
 * Histograms of oriented gradients (Dalal and Triggs, 2005), with scikit-image's parameters and values but for `signed` and
 * `interpolate`: of grey images, as pixels of [0, 1], [images, blocks x cells x orientations]. Where a gradient lies on the
 * edge of two bins, the last bit of its angle decides: it is the correctly rounded one here, as with scikit-image where
 * NumPy takes the C library's arctangent; NumPy's own for AVX-512 is off by a bit now and then. Throws a UserError on
 * impossible settings and on images smaller than a block.
 */
export async function hogFeatures(
  images: LabelledImages,
  options: HogOptions = {},
  work: WorkOptions = {},
): Promise<Matrix> {
  const { height, width, count } = images;
  const { blocks, blockLength, describe } = hogBlocks(height, width, options);
  const out = zeroMatrix(count, blocks[0] * blocks[1] * blockLength);
  const levels = Float64Array.from({ length: 256 }, (_, byte) => byte / 255);
  const pixels = new Float64Array(height * width);
  const stepper = new Stepper(work, "images", count);
  for (let image = 0; image < count; image++) {
    for (let i = 0; i < pixels.length; i++) pixels[i] = levels[images.images[image * pixels.length + i]!]!;
    describe(pixels, row(out, image));
    await stepper.step(image + 1);
  }
  return out;
}

/** What HOG makes of images of a size. */
export interface HogBlocks {
  /** Rows and columns of blocks. */
  readonly blocks: readonly [number, number];
  /** Numbers of a block. */
  readonly blockLength: number;
  /** An image's pixels, which it may change, to its blocks' numbers. */
  describe(pixels: Float64Array, to: Float32Array): void;
}

/** HOG of images of a size. Throws as `hogFeatures` does. */
export function hogBlocks(height: number, width: number, options: HogOptions): HogBlocks {
  const {
    orientations = 9,
    pixelsPerCell = [8, 8],
    cellsPerBlock = [3, 3],
    blockNorm = "L2-Hys",
    transformSqrt = false,
    signed = false,
    interpolate = false,
  } = options;
  requireSetting(isCount(orientations), "orientations", orientations, "a whole number of at least 1");
  requireSizes("pixelsPerCell", pixelsPerCell);
  requireSizes("cellsPerBlock", cellsPerBlock);
  requireSetting(
    ["L1", "L1-sqrt", "L2", "L2-Hys"].includes(blockNorm),
    "blockNorm",
    blockNorm,
    "L1, L1-sqrt, L2 or L2-Hys",
  );
  const cells = [Math.floor(height / pixelsPerCell[0]), Math.floor(width / pixelsPerCell[1])] as const;
  const blocks = [cells[0] - cellsPerBlock[0] + 1, cells[1] - cellsPerBlock[1] + 1] as const;
  requireSetting(
    blocks[0] >= 1 && blocks[1] >= 1,
    "cellsPerBlock",
    `[${cellsPerBlock}]`,
    `at most the ${cells[0]} x ${cells[1]} cells of an image of ${height} x ${width} pixels, or smaller cells`,
  );
  const run = cellsPerBlock[1] * orientations;
  const blockLength = cellsPerBlock[0] * run;
  const histogram = new Float64Array(cells[0] * cells[1] * orientations);
  const block = new Float64Array(blockLength);
  const grid: Grid = { cells, pixelsPerCell, orientations, turn: signed ? 360 : 180, interpolate };
  const describe = (pixels: Float64Array, to: Float32Array): void => {
    if (transformSqrt) for (let i = 0; i < pixels.length; i++) pixels[i] = Math.sqrt(pixels[i]!);
    fillHistogram(pixels, width, grid, histogram);
    let at = 0;
    for (let r = 0; r < blocks[0]; r++)
      for (let c = 0; c < blocks[1]; c++, at += blockLength) {
        for (let i = 0; i < cellsPerBlock[0]; i++) {
          const from = ((r + i) * cells[1] + c) * orientations;
          block.set(histogram.subarray(from, from + run), i * run);
        }
        normalize(block, blockNorm);
        to.set(block, at);
      }
  };
  return { blocks, blockLength, describe };
}

function requireSizes(name: string, both: readonly [number, number]): void {
  requireSetting(both.every(isCount), name, `[${both}]`, "two whole numbers of at least 1");
}

/** What pixels vote for. */
interface Grid {
  readonly cells: readonly [number, number];
  readonly pixelsPerCell: readonly [number, number];
  readonly orientations: number;
  /** Degrees that the orientations share. */
  readonly turn: number;
  readonly interpolate: boolean;
}

/** Each cell's mean gradient magnitude by orientation; central differences, 0 at the border. */
function fillHistogram(pixels: Float64Array, width: number, grid: Grid, out: Float64Array): void {
  const height = pixels.length / width;
  const {
    cells,
    pixelsPerCell: [cellRows, cellColumns],
  } = grid;
  out.fill(0);
  for (let y = 0; y < cells[0] * cellRows; y++)
    for (let x = 0; x < cells[1] * cellColumns; x++) {
      const at = y * width + x;
      const down = y === 0 || y === height - 1 ? 0 : pixels[at + width]! - pixels[at - width]!;
      const across = x === 0 || x === width - 1 ? 0 : pixels[at + 1]! - pixels[at - 1]!;
      if (down === 0 && across === 0) continue;
      if (grid.interpolate) shareVote(grid, y, x, down, across, out);
      else vote(grid, y, x, down, across, out);
    }
  for (let i = 0; i < out.length; i++) out[i]! /= cellRows * cellColumns;
}

/** Adds a gradient to its bin of its cell. */
function vote(grid: Grid, y: number, x: number, down: number, across: number, out: Float64Array): void {
  const { cells, pixelsPerCell, orientations, turn } = grid;
  const bin = turn / orientations;
  const angle = exactAngle(down, across, bin, turn);
  // A whole turn, from rounding, belongs to no bin, as in scikit-image.
  if (angle >= turn) return;
  let o = Math.floor(angle / bin);
  if (angle >= bin * (o + 1)) o++;
  else if (angle < bin * o) o--;
  const cell = Math.floor(y / pixelsPerCell[0]) * cells[1] + Math.floor(x / pixelsPerCell[1]);
  out[cell * orientations + o]! += Math.sqrt(down * down + across * across);
}

/** Adds a gradient's parts to the nearest bins of the nearest cells; what falls beyond the outermost cells is lost. */
function shareVote(grid: Grid, y: number, x: number, down: number, across: number, out: Float64Array): void {
  const { cells, pixelsPerCell, orientations, turn } = grid;
  const magnitude = Math.sqrt(down * down + across * across);
  // Places between centres: the whole part names the lower neighbour, the rest is the upper one's share.
  const place = angleOf(Math.atan2(down, across), turn) / (turn / orientations) - 0.5;
  const placeY = (y + 0.5) / pixelsPerCell[0] - 0.5;
  const placeX = (x + 0.5) / pixelsPerCell[1] - 0.5;
  const [o, r, c] = [Math.floor(place), Math.floor(placeY), Math.floor(placeX)];
  for (let corner = 0; corner < 8; corner++) {
    const [upper, lower, right] = [corner & 1, (corner >> 1) & 1, corner >> 2];
    const [row, column] = [r + lower, c + right];
    if (row < 0 || row >= cells[0] || column < 0 || column >= cells[1]) continue;
    const share = (from: number, isNext: number): number => (isNext ? from : 1 - from);
    const part = share(place - o, upper) * share(placeY - r, lower) * share(placeX - c, right);
    const orientation = (o + upper + orientations) % orientations;
    out[(row * cells[1] + column) * orientations + orientation]! += part * magnitude;
  }
}

/** Degrees in [0, turn]; near the edge of a bin to the last bit. */
function exactAngle(down: number, across: number, bin: number, turn: number): number {
  const near = angleOf(Math.atan2(down, across), turn);
  const edge = Math.round(near / bin) * bin;
  const isClose = Math.abs(near - edge) < 1e-9 && edge > 0 && edge < turn;
  return isClose && across !== 0 ? angleOf(exactAtan2(down, across), turn) : near;
}

/** A direction in degrees, of a whole turn or as its line's of half a one. */
function angleOf(radians: number, turn: number): number {
  const degrees = radians * (180 / Math.PI);
  return degrees < 0 ? degrees + turn : degrees % turn;
}

function normalize(block: Float64Array, norm: BlockNorm): void {
  const scale = (by: number): void => {
    for (let i = 0; i < block.length; i++) block[i]! /= by;
  };
  const l2 = (): number =>
    Math.sqrt(block.reduce((sum, value) => sum + value * value, 0) + epsilon * epsilon);
  if (norm === "L1" || norm === "L1-sqrt") {
    scale(block.reduce((sum, value) => sum + Math.abs(value), 0) + epsilon);
    if (norm === "L1-sqrt") for (let i = 0; i < block.length; i++) block[i] = Math.sqrt(block[i]!);
    return;
  }
  scale(l2());
  if (norm === "L2") return;
  for (let i = 0; i < block.length; i++) block[i] = Math.min(block[i]!, 0.2);
  scale(l2());
}
