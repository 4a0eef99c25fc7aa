import { UserError } from "../core/errors.js";

/** The element types of the format that Flybrick reads and writes. */
export type SafetensorsDtype = keyof typeof byteSizes;

/** One tensor in little-endian bytes, row by row. */
export interface StoredTensor {
  dtype: SafetensorsDtype;
  shape: readonly number[];
  data: Uint8Array;
}

const byteSizes = { F64: 8, I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2, U8: 1 } as const;
const metadataKey = "__metadata__";
/** The format's own bound. */
const maximumHeader = 100_000_000;

/** What a header says of a tensor. */
export type TensorLayout = Pick<StoredTensor, "dtype" | "shape">;

/**
 * The first bytes of a safetensors file: u64 length of the header, the header (JSON, padded with spaces to eight
 * bytes). The tensors follow end to end in the order of `names`: wide elements first, so that every tensor is
 * aligned whatever the bytes' count, else as given.
 */
export function encodeHeader(
  layouts: ReadonlyMap<string, TensorLayout>,
  metadata?: Readonly<Record<string, string>>,
): { bytes: Uint8Array; names: readonly string[] } {
  const entries = [...layouts].sort(([, a], [, b]) => byteSizes[b.dtype] - byteSizes[a.dtype]);
  const header = new Map<string, unknown>();
  if (metadata !== undefined) header.set(metadataKey, metadata);
  let end = 0;
  for (const [name, { dtype, shape }] of entries) {
    if (name === metadataKey) throw new Error(`A tensor cannot be called ${metadataKey}: rename it.`);
    const begin = end;
    end += sizeInBytes(dtype, shape);
    header.set(name, { dtype, shape, data_offsets: [begin, end] });
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const bytes = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true);
  bytes.set(json, 8);
  return { bytes, names: entries.map(([name]) => name) };
}

/** The bytes of a safetensors file. Throws an Error if a tensor's data do not fill its shape. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  for (const [name, { dtype, shape, data }] of tensors) {
    const expected = sizeInBytes(dtype, shape);
    if (data.byteLength !== expected) {
      throw new Error(
        `${name}: ${dtype} [${shape}] takes ${expected} bytes, not ${data.byteLength}: pass as many.`,
      );
    }
  }
  const header = encodeHeader(tensors, metadata);
  const parts = [header.bytes, ...header.names.map((name) => tensors.get(name)!.data)];
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let position = 0;
  for (const part of parts) {
    bytes.set(part, position);
    position += part.byteLength;
  }
  return bytes;
}

/**
 * Reads a safetensors file; `name` is how messages call it. Each `data` starts
 * on a multiple of its element's size, as a view of `bytes` where it can be. Throws a UserError unless
 * the header is sound and the tensors cover the rest of the file exactly.
 */
export function decodeSafetensors(
  bytes: Uint8Array,
  name: string,
): { tensors: Map<string, StoredTensor>; metadata: Record<string, string> } {
  const fail = (what: string): never => {
    throw new UserError(`${name} is not a sound safetensors file, ${what}: save or download it again.`);
  };
  if (bytes.length < 8) fail(`it is ${bytes.length} bytes long and its header's length alone takes 8`);
  const announced = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  const room = bytes.length - 8;
  if (announced > maximumHeader || announced > room) {
    fail(`it announces a header of ${announced} bytes and has room for ${Math.min(room, maximumHeader)}`);
  }
  const start = 8 + Number(announced);
  // The format has it so, and JSON alone would let white space lead.
  if (announced > 0 && bytes[8] !== 0x7b) fail("its header does not begin with {");
  const header = parseHeader(bytes.subarray(8, start)) ?? fail("its header is not a JSON object");
  const metadata = readMetadata(header.get(metadataKey)) ?? fail("its metadata are not all strings");
  header.delete(metadataKey);

  const found = [...header].map(([key, entry]) => {
    const tensor = shown(key);
    const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
    if (typeof dtype !== "string") return fail(`the tensor ${tensor} has no dtype`);
    if (!Object.hasOwn(byteSizes, dtype)) {
      throw new UserError(
        `${name} has the tensor ${tensor} of type ${shown(dtype)}, which cannot be read: convert it to one of ${Object.keys(byteSizes).join(", ")}.`,
      );
    }
    if (!isCounts(shape)) return fail(`the tensor ${tensor} has the shape ${shown(shape)}`);
    if (!isCounts(offsets) || offsets.length !== 2) {
      return fail(`the tensor ${tensor} has the offsets ${shown(offsets)}`);
    }
    const [begin, end] = offsets as [number, number];
    const size = sizeInBytes(dtype as SafetensorsDtype, shape);
    if (end - begin !== size) {
      fail(`the tensor ${tensor}, ${dtype} ${shown(shape)}, takes ${size} bytes and is given ${end - begin}`);
    }
    return { key, tensor, dtype: dtype as SafetensorsDtype, shape, begin, end };
  });

  const length = bytes.length - start;
  let covered = 0;
  for (const { tensor, begin, end } of [...found].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (end > length) fail(`the tensor ${tensor} ends at byte ${end} of ${length}`);
    if (begin < covered) fail(`the tensor ${tensor} begins at byte ${begin}, within the one before it`);
    if (begin > covered) fail(`bytes ${covered} to ${begin} before the tensor ${tensor} belong to none`);
    covered = end;
  }
  if (covered < length) fail(`${length - covered} bytes after the last tensor belong to none`);

  const tensors = new Map<string, StoredTensor>();
  for (const { key, dtype, shape, begin, end } of found) {
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset + start + begin, end - begin);
    // A copy only where a typed array could not lie over the view.
    const data = view.byteOffset % byteSizes[dtype] === 0 ? view : new Uint8Array(view);
    tensors.set(key, { dtype, shape, data });
  }
  return { tensors, metadata };
}

function sizeInBytes(dtype: SafetensorsDtype, shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, byteSizes[dtype] as number);
}

function parseHeader(json: Uint8Array): Map<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    return new Map(Object.entries(value));
  } catch {
    return undefined;
  }
}

function readMetadata(value: unknown): Record<string, string> | undefined {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const isSound = Object.values(value).every((text) => typeof text === "string");
  return isSound ? (value as Record<string, string>) : undefined;
}

/** A value of the file for a message: in short, and whatever it is. */
function shown(value: unknown): string {
  try {
    const text = JSON.stringify(value) ?? "undefined";
    return text.length > 100 ? `${text.slice(0, 100)}...` : text;
  } catch {
    // JSON.parse takes nesting that JSON.stringify has no stack for.
    return "nested without end";
  }
}

function isCounts(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.every((item) => Number.isSafeInteger(item) && item >= 0 && !Object.is(item, -0))
  );
}
