import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { errorCode, fileProblem, UserError } from "../core/errors.js";
import { type IdxArray, maximumIdxBytes, parseIdx } from "./idx.js";

const unzip = promisify(gunzip);

/**
 * Reads an IDX file, plain or gzipped (told by its first bytes, not by its name).
 * Throws a UserError that names the file if it cannot be read, unzipped or parsed, or unzips to more
 * than `limit` bytes.
 */
export async function readIdx(path: string, limit = maximumIdxBytes): Promise<IdxArray> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new UserError(`${path} cannot be read, because ${fileProblem(error)}: check the path.`);
  }
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  if (isGzip) bytes = await unzipped(bytes, path, limit);
  // A Buffer's slice() is a view, a Uint8Array's a copy: callers get what the type promises.
  return parseIdx(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), path);
}

async function unzipped(bytes: Uint8Array, path: string, limit: number): Promise<Uint8Array> {
  try {
    return await unzip(bytes, { maxOutputLength: limit });
  } catch (error) {
    if (errorCode(error) === "ERR_BUFFER_TOO_LARGE") {
      throw new UserError(`${path} unzips to more than ${limit} bytes: use the file of the data set's home.`);
    }
    const what = errorCode(error) === "Z_BUF_ERROR" ? "is cut short" : "is damaged";
    const { message } = error as Error;
    throw new UserError(`${path} ${what} (gzip: ${message}): get it again from the data set's home.`);
  }
}
