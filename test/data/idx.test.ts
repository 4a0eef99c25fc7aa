import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UserError } from "../../src/core/errors.js";
import { encodeIdx, parseIdx } from "../../src/data/idx.js";
import { readIdx } from "../../src/data/idx_file.js";

const image = { shape: [2, 2, 3], data: Uint8Array.from({ length: 12 }, (_, index) => 20 * index) };

describe("parseIdx", () => {
  it("reads what encodeIdx wrote", () => {
    expect(parseIdx(encodeIdx(image), "images")).toEqual(image);
    const empty = { shape: [0], data: new Uint8Array() };
    expect(parseIdx(encodeIdx(empty), "labels")).toEqual(empty);
  });

  it("writes the documented bytes", () => {
    const bytes = encodeIdx({ shape: [2, 1], data: Uint8Array.of(7, 9) });
    expect([...bytes]).toEqual([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 1, 7, 9]);
  });

  it("reads from the middle of a larger buffer", () => {
    const bytes = encodeIdx(image);
    const padded = new Uint8Array(bytes.length + 5);
    padded.set(bytes, 3);
    expect(parseIdx(padded.subarray(3, 3 + bytes.length), "images")).toEqual(image);
  });

  const whole = encodeIdx(image);
  const huge = Uint8Array.of(0, 0, 8, 3, ...Array(12).fill(255));
  it.each<[string, Uint8Array, RegExp]>([
    ["no bytes", new Uint8Array(), /^images is 0 bytes long, too short for an IDX file: get/],
    ["a wrong magic number", Uint8Array.of(0x89, 0x50, 0x4e, 0x47), /^images begins with 89 50 4e 47, which/],
    ["no dimension", Uint8Array.of(0, 0, 8, 0, 1), /begins with 00 00 08 00/],
    ["floats", Uint8Array.of(0, 0, 13, 1, 0, 0, 0, 0), /^images holds 32-bit floats, but only/],
    ["a header cut short", whole.subarray(0, 10), /ends within its header, after 10 of 16 bytes/],
    ["elements cut short", whole.subarray(0, 20), /announces 2 x 2 x 3 = 12 bytes but holds 4/],
    ["a byte too many", Uint8Array.of(...whole, 0), /announces 2 x 2 x 3 = 12 bytes but holds 13/],
    ["sizes beyond any memory", huge, /announces 4294967295 x .* but holds 0/],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => parseIdx(bytes, "images")).toThrow(UserError);
    expect(() => parseIdx(bytes, "images")).toThrow(message);
  });

  it("refuses to encode data that do not fill the shape", () => {
    expect(() => encodeIdx({ shape: [3], data: new Uint8Array(2) })).toThrow("wants 3 bytes, not 2");
    expect(() => encodeIdx({ shape: [], data: new Uint8Array(1) })).toThrow("1 to 255 dimensions, not 0");
  });
});

describe("readIdx", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "flybrick-idx-"));
  });
  afterAll(() => rm(directory, { recursive: true }));

  const write = async (name: string, bytes: Uint8Array) => {
    const path = join(directory, name);
    await writeFile(path, bytes);
    return path;
  };

  it("reads plain and gzipped files, whatever they are called", async () => {
    expect(await readIdx(await write("gzipped", gzipSync(encodeIdx(image))))).toEqual(image);
    const plain = await readIdx(await write("plain.gz", encodeIdx(image)));
    expect([plain.shape, [...plain.data]]).toEqual([image.shape, [...image.data]]);
  });

  it("names a file whose gzip is cut short, damaged, or a bomb", async () => {
    const zipped = gzipSync(encodeIdx(image));
    const short = await write("short.gz", zipped.subarray(0, zipped.length - 10));
    await expect(readIdx(short)).rejects.toThrow(`${short} is cut short (gzip: unexpected end of file)`);
    const damaged = Uint8Array.from(zipped);
    damaged[zipped.length - 6]! ^= 0xff;
    const bad = await write("bad.gz", damaged);
    await expect(readIdx(bad)).rejects.toThrow(`${bad} is damaged (gzip: incorrect data check)`);
    const bomb = await write("bomb.gz", gzipSync(new Uint8Array(1_000_000)));
    await expect(readIdx(bomb, 100_000)).rejects.toThrow(`${bomb} unzips to more than 100000 bytes`);
  });

  it("names a file that is not there", async () => {
    const path = join(directory, "absent");
    await expect(readIdx(path)).rejects.toThrow(
      `${path} cannot be read, because there is no such file or directory: check the path.`,
    );
    await expect(readIdx(directory)).rejects.toThrow("it is a directory");
  });
});
