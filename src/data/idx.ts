import { UserError } from "../core/errors.js";

/** An array of bytes with its shape, as an IDX file holds it. */
export interface IdxArray {
  shape: number[];
  data: Uint8Array;
}

/** Five times Fashion-MNIST's training images: no honest file is larger, a gzip bomb is. */
export const maximumIdxBytes = 256 * 2 ** 20;

const elementTypes: Readonly<Record<number, string>> = {
  8: "unsigned bytes",
  9: "signed bytes",
  11: "16-bit integers",
  12: "32-bit integers",
  13: "32-bit floats",
  14: "64-bit floats",
};

/**
 * Reads an uncompressed IDX file of unsigned bytes: two zero bytes, the element type, the number of
 * dimensions, each size as a big-endian u32, then the elements. `data` is a view of `bytes`, not a copy.
 * `name` is how messages call the file. Throws a UserError unless every byte is accounted for.
 */
export function parseIdx(bytes: Uint8Array, name: string): IdxArray {
  const again = "get the file again from the data set's home";
  if (bytes.length < 4) {
    throw new UserError(`${name} is ${bytes.length} bytes long, too short for an IDX file: ${again}.`);
  }
  const [zero, zeroToo, type, rank] = bytes as unknown as [number, number, number, number];
  if (zero !== 0 || zeroToo !== 0 || elementTypes[type] === undefined || rank === 0) {
    const magic = [zero, zeroToo, type, rank].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    throw new UserError(
      `${name} begins with ${magic}, which is not the magic number of an IDX file: ${again}.`,
    );
  }
  if (type !== 8) {
    throw new UserError(
      `${name} holds ${elementTypes[type]}, but only IDX files of unsigned bytes can be read.`,
    );
  }
  const headerLength = 4 + 4 * rank;
  if (bytes.length < headerLength) {
    throw new UserError(
      `${name} ends within its header, after ${bytes.length} of ${headerLength} bytes: ${again}.`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const expected = shape.reduce((product, size) => product * size, 1);
  const data = bytes.subarray(headerLength);
  if (data.length !== expected) {
    throw new UserError(
      `${name} announces ${shape.join(" x ")} = ${expected} bytes but holds ${data.length}: ${again}.`,
    );
  }
  return { shape, data };
}

/** The bytes of an uncompressed IDX file. Throws an Error if `data` does not fill `shape`. */
export function encodeIdx({ shape, data }: IdxArray): Uint8Array {
  const expected = shape.reduce((product, size) => product * size, 1);
  if (shape.length < 1 || shape.length > 255) {
    throw new Error(`An IDX file has 1 to 255 dimensions, not ${shape.length}: reshape the array.`);
  }
  if (expected !== data.length) {
    throw new Error(`The shape [${shape}] wants ${expected} bytes, not ${data.length}: pass as many.`);
  }
  const headerLength = 4 + 4 * shape.length;
  const bytes = new Uint8Array(headerLength + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(2, 8);
  view.setUint8(3, shape.length);
  shape.forEach((size, axis) => {
    view.setUint32(4 + 4 * axis, size);
  });
  bytes.set(data, headerLength);
  return bytes;
}
