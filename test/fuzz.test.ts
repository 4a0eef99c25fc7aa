import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../src/core/errors.js";
import { encodeIdx, parseIdx } from "../src/data/idx.js";
import { readIdx } from "../src/data/idx_file.js";
import type { EpochResult } from "../src/train/callbacks.js";
import { CheckpointStore, decodeCheckpoint } from "../src/train/checkpoint.js";
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from "../src/train/safetensors.js";
import type { TrainState } from "../src/train/train_state.js";
import { checkpointBytes, signed } from "./support/checkpoint_bytes.js";

const work = mkdtempSync(join(tmpdir(), "flybrick-fuzz-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

type Mutation = (bytes: Uint8Array) => Uint8Array;

const joined = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
const anyNumber = fc.oneof(
  fc.nat(64).map(String),
  fc.constantFrom(
    "-1",
    "-0",
    "0.5",
    "1e3",
    "1e999",
    "4294967295",
    "9007199254740992",
    "18446744073709551616",
  ),
  fc.constantFrom("null", '"4"', "[]", "{}", "true", "1,2", "", "[".repeat(8_000) + "]".repeat(8_000)),
);

/** One change of a file. Positions are shares of its length, so that they mean the same after another change. */
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(fc.nat(), fc.nat(255)).map(
    ([at, value]): Mutation =>
      (bytes) => {
        const changed = bytes.slice();
        if (changed.length > 0) changed[at % changed.length] = value;
        return changed;
      },
  ),
  // Headers are short beside what follows them.
  fc.tuple(fc.nat(15), fc.nat(255)).map(
    ([at, value]): Mutation =>
      (bytes) => {
        const changed = bytes.slice();
        changed[at] = value;
        return changed;
      },
  ),
  fc.nat().map(
    (at): Mutation =>
      (bytes) =>
        bytes.slice(0, at % (bytes.length + 1)),
  ),
  fc.tuple(fc.nat(), fc.uint8Array({ maxLength: 40 })).map(
    ([at, more]): Mutation =>
      (bytes) => {
        const cut = at % (bytes.length + 1);
        return joined(bytes.subarray(0, cut), more, bytes.subarray(cut));
      },
  ),
  fc.tuple(fc.nat(), fc.nat(40)).map(
    ([at, count]): Mutation =>
      (bytes) => {
        const cut = at % (bytes.length + 1);
        return joined(bytes.subarray(0, cut), bytes.subarray(cut + count));
      },
  ),
);

/** Another number, or none, in a safetensors header, whose length is put right. */
const headerMutation: fc.Arbitrary<Mutation> = fc.tuple(fc.nat(), anyNumber).map(
  ([which, value]): Mutation =>
    (bytes) => {
      const length =
        bytes.length < 8 ? 0 : Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
      const header = Buffer.from(bytes.subarray(8, Math.min(8 + length, bytes.length))).toString("latin1");
      const numbers = [...header.matchAll(/\d+/g)];
      const hit = numbers[which % Math.max(1, numbers.length)];
      if (!hit) return bytes;
      const text = header.slice(0, hit.index) + value + header.slice(hit.index + hit[0].length);
      const start = Buffer.alloc(8);
      start.writeBigUInt64LE(BigInt(text.length));
      return joined(start, Buffer.from(text, "latin1"), bytes.subarray(Math.min(8 + length, bytes.length)));
    },
);

const some = (one: fc.Arbitrary<Mutation>): fc.Arbitrary<Mutation> =>
  fc.array(one, { minLength: 1, maxLength: 4 }).map(
    (all): Mutation =>
      (bytes) =>
        all.reduce((now, change) => change(now), bytes),
  );

/** `expect` takes longer than what it is to check here. */
function require(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(otherwise);
}

const product = (shape: readonly number[]): number => shape.reduce((all, size) => all * size, 1);

const tally = { loaded: 0, refused: 0 };

/**
 * What must hold of any file: it is read, as `check` has it, or refused in a sentence that names it, and no more than
 * its own size, and a checksum's, is taken beside it.
 */
function readOrRefuse<T>(bytes: Uint8Array, read: (bytes: Uint8Array) => T, check: (value: T) => void): void {
  const before = process.memoryUsage().arrayBuffers;
  let value: T;
  try {
    value = read(bytes);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    if (!error.message.startsWith("the file") || error.message.length > 600) throw error;
    tally.refused++;
    return;
  } finally {
    const taken = process.memoryUsage().arrayBuffers - before;
    require(taken <= bytes.length + 64, `${taken} bytes were taken for a file of ${bytes.length}`);
  }
  tally.loaded++;
  check(value);
}

const bytesEach = { F64: 8, I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2, U8: 1 };

function requireWhole(tensors: ReadonlyMap<string, StoredTensor>, metadata: Record<string, string>): void {
  for (const { dtype, shape, data } of tensors.values())
    require(data.length === product(shape) * bytesEach[dtype], "a tensor is not whole");
  const again = decodeSafetensors(encodeSafetensors(tensors, metadata), "again");
  require(JSON.stringify(again.metadata) === JSON.stringify(metadata), "metadata are lost");
  for (const [name, { data }] of tensors)
    require(Buffer.compare(again.tensors.get(name)!.data, data) === 0, `${name} is another`);
}

const bytesOf = (array: Float32Array | Int32Array): Uint8Array => new Uint8Array(array.buffer);
const pytorch = new Uint8Array(readFileSync(new URL("./fixtures/pytorch.safetensors", import.meta.url)));
const mixed = encodeSafetensors(
  new Map<string, StoredTensor>([
    ["mask", { dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 3) }],
    ["0.weight", { dtype: "F32", shape: [2, 2], data: bytesOf(Float32Array.of(1, -2, 0.5, Number.NaN)) }],
    ["steps", { dtype: "I32", shape: [], data: bytesOf(Int32Array.of(-7)) }],
    ["none", { dtype: "F32", shape: [0, 4], data: new Uint8Array() }],
  ]),
  { model: "lenet" },
);

const epoch = {
  epoch: 1,
  loss: 1.5,
  trainAccuracy: 0.5,
  testLoss: 1.25,
  testAccuracy: 0.75,
  learningRate: 0.1,
  examplesPerSecond: 99,
  dataSeconds: 0.1,
  trainSeconds: 2,
  seconds: 3,
};
const state = {
  settings: { batchSize: 32, optimizer: "sgd", mixup: null },
  steps: 3,
  epochs: [epoch],
  finished: false,
  random: { seed: 1, draw: 9 },
  examples: 64,
  trainSeconds: 1,
  dataSeconds: 0.1,
};
const checkpoint = checkpointBytes(
  state,
  new Map<string, StoredTensor>([
    ["state.0.weight", { dtype: "F32", shape: [2, 3], data: bytesOf(Float32Array.of(1, 2, 3, 4, 5, 6)) }],
    ["metrics.loss", { dtype: "F32", shape: [], data: bytesOf(Float32Array.of(7)) }],
  ]),
);

/** Whoever reads a state may rely on all of it. */
function requireSound({ settings, steps, examples, random, epochs, finished }: TrainState): void {
  for (const count of [steps, examples, random.draw, random.seed])
    require(Number.isSafeInteger(count) && count >= 0, `${count} is no count`);
  require(Object.keys(settings).length >= 0 && typeof finished === "boolean", "no settings or end");
  for (const [k, one] of epochs.entries()) {
    require(one.epoch === k + 1, "epochs are missing");
    for (const key of Object.keys(epoch) as (keyof EpochResult)[])
      require(typeof one[key] === "number", `${key} is no number`);
  }
}
const idx = encodeIdx({ shape: [5, 4, 3], data: Uint8Array.from({ length: 60 }, (_, i) => i) });

/** Runs a property and tells how many files were read and refused: both must happen, or the mutations are too mild or too wild. */
async function fuzz(property: fc.IRawProperty<unknown>, numRuns: number): Promise<void> {
  Object.assign(tally, { loaded: 0, refused: 0 });
  await fc.assert(property, { seed: 20, numRuns });
  expect(tally.loaded + tally.refused).toBe(numRuns);
  expect(tally.loaded).toBeGreaterThan(0);
  expect(tally.refused).toBeGreaterThan(numRuns / 4);
}

describe("11,000 mutated files are read or refused in words:", () => {
  test("4,000 safetensors", () =>
    fuzz(
      fc.property(fc.constantFrom(pytorch, mixed), some(fc.oneof(mutation, headerMutation)), (file, change) =>
        readOrRefuse(
          change(file),
          (bytes) => decodeSafetensors(bytes, "the file"),
          ({ tensors, metadata }) => requireWhole(tensors, metadata),
        ),
      ),
      4000,
    ));

  test("3,000 checkpoints, most with a checksum that fits the damage", () =>
    fuzz(
      fc.property(some(fc.oneof(mutation, headerMutation)), fc.nat(4), (change, luck) => {
        const changed = change(checkpoint);
        readOrRefuse(
          luck > 0 ? signed(changed) : changed,
          (bytes) => decodeCheckpoint(bytes, "the file"),
          (read) => {
            requireWhole(read.tensors, {});
            requireSound(read.state);
          },
        );
      }),
      3000,
    ));

  test("1,000 checkpoints of which the header alone is read", () => {
    const directory = join(work, "checkpoints");
    mkdirSync(directory);
    return fuzz(
      fc.asyncProperty(some(fc.oneof(mutation, headerMutation)), async (change) => {
        writeFileSync(join(directory, "step-000000003.safetensors"), change(checkpoint));
        const read = await new CheckpointStore(directory).peek();
        if (read) tally.loaded++;
        else tally.refused++;
        if (read) requireSound(read);
      }),
      1000,
    );
  });

  test("2,000 IDX files", () =>
    fuzz(
      fc.property(some(mutation), (change) =>
        readOrRefuse(
          change(idx),
          (bytes) => parseIdx(bytes, "the file"),
          ({ shape, data }) => require(data.length === product(shape), "elements are missing"),
        ),
      ),
      2000,
    ));

  test("1,000 gzipped IDX files", () =>
    fuzz(
      fc.asyncProperty(some(mutation), fc.boolean(), async (change, isInside) => {
        const path = join(work, "idx.gz");
        writeFileSync(path, isInside ? gzipSync(change(idx)) : change(gzipSync(idx)));
        const read = await readIdx(path, 4096).catch((error: unknown) => {
          if (!(error instanceof UserError) || !error.message.startsWith(path)) throw error;
          return undefined;
        });
        if (read) tally.loaded++;
        else tally.refused++;
        if (read) require(read.data.length === product(read.shape), "elements are missing");
      }),
      1000,
    ));
});
