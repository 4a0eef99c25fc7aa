import { describe, expect, it } from "vitest";
import { UserError } from "../../src/core/errors.js";
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from "../../src/train/safetensors.js";

const bytesOf = (array: Float32Array | Int32Array | Uint8Array) => new Uint8Array(array.buffer);
const tensors = new Map<string, StoredTensor>([
  ["mask", { dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 3) }],
  ["0.weight", { dtype: "F32", shape: [2, 2], data: bytesOf(Float32Array.of(1, -2, 0.5, Number.NaN)) }],
  ["steps", { dtype: "I32", shape: [], data: bytesOf(Int32Array.of(-7)) }],
  ["none", { dtype: "F32", shape: [0, 4], data: new Uint8Array() }],
]);

/** A file with any header and `length` bytes of data. */
function file(header: unknown, length = 0): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const f32 = (shape: number[], begin: number, end: number) => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, end],
});

describe("safetensors", () => {
  it("reads what it wrote", () => {
    const decoded = decodeSafetensors(encodeSafetensors(tensors, { model: "lenet" }), "w");
    expect(decoded.metadata).toEqual({ model: "lenet" });
    expect(decoded.tensors.size).toBe(tensors.size);
    for (const [name, tensor] of tensors) expect(decoded.tensors.get(name)).toEqual(tensor);
    expect(decodeSafetensors(encodeSafetensors(new Map()), "w")).toEqual({
      tensors: new Map(),
      metadata: {},
    });
  });

  it("writes the documented bytes", () => {
    const one = new Map<string, StoredTensor>([
      ["a", { dtype: "U8", shape: [2], data: Uint8Array.of(8, 9) }],
    ]);
    const bytes = encodeSafetensors(one);
    const header = '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}';
    const padded = Math.ceil(header.length / 8) * 8;
    expect([...bytes.subarray(0, 8)]).toEqual([padded, 0, 0, 0, 0, 0, 0, 0]);
    expect(new TextDecoder().decode(bytes.subarray(8, 8 + padded))).toBe(header.padEnd(padded));
    expect([...bytes.subarray(8 + padded)]).toEqual([8, 9]);
  });

  it("aligns every tensor, and copies where the file itself is not aligned", () => {
    const bytes = encodeSafetensors(tensors);
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    for (const [source, shares] of [[bytes, true] as const, [shifted.subarray(1), false] as const]) {
      const { data } = decodeSafetensors(source, "w").tensors.get("0.weight")!;
      expect(data.byteOffset % 4).toBe(0);
      expect(data.buffer === source.buffer).toBe(shares);
      expect(data).toEqual(tensors.get("0.weight")!.data);
    }
  });

  it("refuses to write data that do not fill the shape", () => {
    const wrong = new Map<string, StoredTensor>([
      ["w", { dtype: "F32", shape: [2], data: new Uint8Array(4) }],
    ]);
    expect(() => encodeSafetensors(wrong)).toThrow("w: F32 [2] takes 8 bytes, not 4");
  });

  it.each<[string, Uint8Array, string]>([
    ["no bytes", new Uint8Array(), "it is 0 bytes long"],
    [
      "a header longer than the file",
      Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0, 123, 125),
      "announces a header of 9 bytes",
    ],
    [
      "a header length beyond all numbers",
      new Uint8Array(16).fill(255),
      "a header of 18446744073709551615 bytes",
    ],
    ["a header that is not JSON", file("{"), "its header is not a JSON object"],
    [
      "a header of one wrong byte",
      Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 255),
      "its header does not begin with {",
    ],
    ["a header that is not UTF-8", file('{"\ufffd').fill(255, 10), "its header is not a JSON object"],
    ["a header that is a list", file([]), "its header does not begin with {"],
    ["a header after white space", file(" {}"), "its header does not begin with {"],
    ["no header", new Uint8Array(8), "its header is not a JSON object"],
    ["metadata of numbers", file({ __metadata__: { a: 1 } }), "its metadata are not all strings"],
    ["a tensor that is nothing", file({ w: null }), 'the tensor "w" has no dtype'],
    [
      "a type that it does not know",
      file({ w: { dtype: "F8_E5M2", shape: [2], data_offsets: [0, 2] } }, 2),
      '"w" of type "F8_E5M2", which cannot be read: convert it to one of F64',
    ],
    ["a negative size", file({ w: f32([-1], 0, 4) }, 4), 'the tensor "w" has the shape [-1]'],
    [
      "a size of minus zero",
      file('{"w":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}}'),
      'the tensor "w" has the shape',
    ],
    ["a broken size", file({ w: f32([0.5], 0, 2) }, 2), 'the tensor "w" has the shape [0.5]'],
    [
      "a shape without end",
      file(`{"w":{"dtype":"U8","shape":${"[".repeat(50_000)}${"]".repeat(50_000)}}}`),
      'the tensor "w" has the shape nested without end',
    ],
    ["no offsets", file({ w: { dtype: "F32", shape: [1] } }, 4), 'the tensor "w" has the offsets undefined'],
    [
      "three offsets",
      file({ w: { ...f32([1], 0, 4), data_offsets: [0, 4, 8] } }, 4),
      "has the offsets [0,4,8]",
    ],
    ["offsets in reverse", file({ w: f32([1], 4, 0) }, 4), "takes 4 bytes and is given -4"],
    [
      "a size that disagrees",
      file({ w: f32([2, 3], 0, 20) }, 20),
      "F32 [2,3], takes 24 bytes and is given 20",
    ],
    ["a tensor beyond the end", file({ w: f32([2], 0, 8) }, 4), 'the tensor "w" ends at byte 8 of 4'],
    [
      "tensors that overlap",
      file({ a: f32([2], 0, 8), b: f32([1], 4, 8) }, 8),
      '"b" begins at byte 4, within',
    ],
    ["a hole", file({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12), 'bytes 4 to 8 before the tensor "b"'],
    ["bytes left over", file({ a: f32([1], 0, 4) }, 7), "3 bytes after the last tensor"],
    [
      "the same name twice",
      file(
        '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}',
        2,
      ),
      "bytes 0 to 1",
    ],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes, "weights")).toThrow(UserError);
    expect(() => decodeSafetensors(bytes, "weights")).toThrow(message);
    expect(() => decodeSafetensors(bytes, "weights")).toThrow(/^weights .*\.$/);
  });
});
