import { UserError } from "../core/errors.js";
import { type Tensor, tensor } from "../tensor/tensor.js";
import { Stepper, type WorkOptions } from "./estimator.js";
import { type Matrix, rowBlocks, zeroMatrix } from "./matrix.js";

/** Channels, height and width of the images whose pixels are a row of features. */
export type ImageShape = readonly [number, number, number];

/**
 * The shape of images of so many pixels; they are squares if `imageSize` is left out. Throws a UserError where no image
 * of that size and so many channels has as many.
 */
export function imageShapeOf(
  columns: number,
  channels: number,
  imageSize?: readonly [number, number],
): ImageShape {
  const side = Math.round(Math.sqrt(columns / channels));
  const [height, width] = imageSize ?? [side, side];
  if (channels * height * width === columns) return [channels, height, width];
  const colours = channels === 1 ? "" : ` and ${channels} channels`;
  throw new UserError(
    imageSize
      ? `x has ${columns} features and imageSize is [${imageSize}]; give images of ${height} x ${width} pixels${colours}`
      : `x has ${columns} features, no square's pixels${colours && ` of ${channels} channels`}; give imageSize, height and width`,
  );
}

/** Rows of pixels as images [rows, channels, height, width] on the device. */
export function imageTensor(x: Matrix, shape: ImageShape): Tensor {
  return tensor(x.values, [x.rows, ...shape]);
}

/** What a recorded function of some rows says of all, a batch at a time: [rows, columns]. */
export async function mapBatches(
  x: Matrix,
  batchSize: number,
  columns: number,
  record: (block: Matrix) => Tensor,
  options: WorkOptions,
): Promise<Matrix> {
  const out = zeroMatrix(x.rows, columns);
  const stepper = new Stepper(options, "examples", x.rows);
  for (const { start, block } of rowBlocks(x, batchSize)) {
    out.values.set(await record(block).data(), start * columns);
    await stepper.step(start + block.rows);
  }
  return out;
}
