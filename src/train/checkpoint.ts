import { createHash } from "node:crypto";
import { open, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { atomicWrite, makeDirectory, removeTemporaries } from "../core/atomic_write.js";
import { errorCode, fileProblem, UserError } from "../core/errors.js";
import type { EpochFigures, Schedule } from "../optim/index.js";
import type { Tensor } from "../tensor/tensor.js";
import type { EpochResult } from "./callbacks.js";
import { DirectoryLock } from "./lock.js";
import { decodeSafetensors, encodeHeader, type StoredTensor, type TensorLayout } from "./safetensors.js";
import type { Checkpoint, CheckpointKeeper, TrainState } from "./train_state.js";

const format = "flybrick checkpoint 1";
const checksumName = "checksum";
const checksumBytes = 32;

/**
 * The checkpoints of one run, in a directory: `step-<number>.safetensors`, each whole or absent. A file is
 * safetensors: F32 tensors, the state as JSON in its metadata, and last the SHA-256 of all bytes before it.
 */
export class CheckpointStore implements CheckpointKeeper {
  readonly scheduleDigest = scheduleDigest;
  private lock: DirectoryLock | undefined;

  constructor(
    readonly directory: string,
    /** How many of the newest are kept. */
    private readonly keep = 2,
  ) {
    if (!Number.isInteger(keep) || keep < 1)
      throw new UserError(`checkpoints to keep: ${keep}; give a whole number of at least 1`);
  }

  /** Makes the directory if need be, and takes it. Throws a UserError where it cannot be written or is in use. */
  async open(): Promise<void> {
    await makeDirectory(this.directory).catch((error: unknown) => {
      throw new UserError(
        `${this.directory} cannot be made, because ${fileProblem(error)}: choose another place.`,
      );
    });
    this.lock = await DirectoryLock.acquire(this.directory);
    await removeTemporaries(this.directory);
  }

  async close(): Promise<void> {
    await this.lock?.release();
  }

  /**
   * Writes one, then removes those that are neither among the newest nor `best` (a number of steps). Tensors go to the
   * disk one after the other, so that memory holds one of them. Throws a UserError if it cannot be written; those before it stay.
   */
  async write(state: TrainState, tensors: ReadonlyMap<string, Tensor>, best?: number): Promise<string> {
    const path = this.path(state.steps);
    await atomicWrite(path, pieces(state, tensors));
    const older = (await this.steps()).filter((steps) => steps !== state.steps);
    // Those after it are the rest of a future that was damaged.
    const newest = older.filter((steps) => steps < state.steps).slice(0, this.keep - 1);
    for (const steps of older)
      if (!newest.includes(steps) && steps !== best) await rm(this.path(steps), { force: true });
    return path;
  }

  /**
   * The newest sound checkpoint, undefined if there is none of any kind. Damaged ones are passed over, each with a
   * warning. Throws a UserError if all are damaged.
   */
  async newest(warn: (message: string) => void): Promise<(Checkpoint & { path: string }) | undefined> {
    const all = await this.steps();
    for (const [k, steps] of all.entries()) {
      const path = this.path(steps);
      try {
        return { path, ...decodeCheckpoint(await readFile(path), path) };
      } catch (error) {
        const reason = error instanceof UserError ? error.message : `${path}: ${fileProblem(error)}`;
        warn(k + 1 < all.length ? `${reason} Going on from the checkpoint before it.` : reason);
      }
    }
    if (all.length > 0)
      throw new UserError(
        `${this.directory} holds no sound checkpoint: delete it to train from the beginning.`,
      );
    return undefined;
  }

  /**
   * Where the newest one stands, by its header alone; undefined if there is none, or it is damaged there. Throws a
   * UserError if it cannot be read.
   */
  async peek(): Promise<TrainState | undefined> {
    const [steps] = await this.steps();
    return steps === undefined ? undefined : readState(this.path(steps));
  }

  private path(steps: number): string {
    return join(this.directory, `step-${String(steps).padStart(9, "0")}.safetensors`);
  }

  /** Steps of the checkpoints that are there, the newest first. */
  private async steps(): Promise<number[]> {
    const names = await readdir(this.directory).catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") return [];
      throw new UserError(
        `${this.directory} cannot be read, because ${fileProblem(error)}: check its permissions.`,
      );
    });
    const found = names.flatMap((name) => /^step-(\d+)\.safetensors$/.exec(name)?.[1] ?? []);
    return found.map(Number).sort((a, b) => b - a);
  }
}

async function readState(path: string): Promise<TrainState | undefined> {
  const file = await open(path, "r").catch((error: unknown) => {
    // A run that goes on removes old ones.
    if (errorCode(error) === "ENOENT") return undefined;
    throw new UserError(`${path} cannot be read, because ${fileProblem(error)}: check its permissions.`);
  });
  if (!file) return undefined;
  try {
    const { buffer } = await file.read(new Uint8Array(8), 0, 8, 0);
    const length = Number(new DataView(buffer.buffer).getBigUint64(0, true));
    if (length > (await file.stat()).size) return undefined;
    const header = await file.read(new Uint8Array(length), 0, length, 8);
    const { __metadata__: metadata } = JSON.parse(new TextDecoder().decode(header.buffer));
    return metadata.format === format ? parseState(metadata.state) : undefined;
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

/** The bytes of a checkpoint, tensor by tensor. */
async function* pieces(state: TrainState, tensors: ReadonlyMap<string, Tensor>): AsyncGenerator<Uint8Array> {
  const layouts = new Map<string, TensorLayout>(
    [...tensors].map(([name, { shape }]) => [name, { dtype: "F32", shape }]),
  );
  // Bytes come after wide elements, so it is the last tensor of the file.
  layouts.set(checksumName, { dtype: "U8", shape: [checksumBytes] });
  const hash = createHash("sha256");
  const header = encodeHeader(layouts, { format, state: JSON.stringify(state) });
  hash.update(header.bytes);
  yield header.bytes;
  for (const name of header.names.slice(0, -1)) {
    const values = await tensors.get(name)!.data();
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    hash.update(bytes);
    yield bytes;
  }
  yield hash.digest();
}

/** Reads a checkpoint; `name` is how messages call it. Throws a UserError unless every byte is as it was written. */
export function decodeCheckpoint(bytes: Uint8Array, name: string): Checkpoint {
  const end = Math.max(0, bytes.length - checksumBytes);
  const found = createHash("sha256").update(bytes.subarray(0, end)).digest();
  if (!found.equals(bytes.subarray(end)))
    throw new UserError(`${name} is damaged: its checksum does not fit its ${bytes.length} bytes.`);
  const { tensors, metadata } = decodeSafetensors(bytes, name);
  const state = parseState(metadata.state);
  if (metadata.format !== format || state === undefined || !tensors.delete(checksumName))
    throw new UserError(`${name} is no checkpoint of this version of Flybrick (${format}).`);
  return { state, tensors };
}

/** Whether a file calls itself a checkpoint, of whatever version. */
export function isCheckpoint({ format = "" }: Readonly<Record<string, string>>): boolean {
  return format.startsWith("flybrick checkpoint ");
}

/** What the network is to be used with, by its own names: buffers, and the weights or, where there are some, their averages. */
export function weightsOf({ tensors }: Pick<Checkpoint, "tensors">): Map<string, StoredTensor> {
  const prefix = "state.";
  const own = [...tensors].filter(([name]) => name.startsWith(prefix));
  return new Map(
    own.map(([longName, one]) => {
      const name = longName.slice(prefix.length);
      return [name, tensors.get(`average.${name}`) ?? one];
    }),
  );
}

type Check = (value: unknown) => boolean;

const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
/** JSON writes null for what is no finite number. */
const isFigure: Check = (value) => value === null || typeof value === "number";

/** An object whose values pass the checks of their names. */
function recordOf(checks: Readonly<Record<string, Check>>): Check {
  return (value) =>
    isRecord(value) && Object.entries(checks).every(([name, check]) => check((value as never)[name]));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const isEpoch = recordOf({
  epoch: isCount,
  loss: isFigure,
  trainAccuracy: isFigure,
  testLoss: isFigure,
  testAccuracy: isFigure,
  learningRate: isFigure,
  examplesPerSecond: isFigure,
  dataSeconds: isFigure,
  trainSeconds: isFigure,
  seconds: isFigure,
} satisfies Record<keyof EpochResult, Check>);

const isState = recordOf({
  settings: (value) =>
    isRecord(value) && Object.values(value).every((one) => isFigure(one) || typeof one === "string"),
  steps: isCount,
  epochs: (value) =>
    Array.isArray(value) && value.every((one, k) => isEpoch(one) && (one as EpochResult).epoch === k + 1),
  finished: (value) => typeof value === "boolean",
  random: recordOf({ seed: isCount, draw: isCount }),
  examples: isCount,
  trainSeconds: Number.isFinite,
  dataSeconds: Number.isFinite,
} satisfies Record<keyof TrainState, Check>);

/** The state that metadata hold, undefined unless all of it is sound. */
function parseState(text = ""): TrainState | undefined {
  try {
    const state: unknown = JSON.parse(text);
    if (!isState(state)) return undefined;
    const { epochs, ...rest } = state as TrainState;
    const read = epochs.map((one) => Object.entries(one).map(([name, value]) => [name, value ?? Number.NaN]));
    return { ...rest, epochs: read.map((one) => Object.fromEntries(one) as EpochResult) };
  } catch {
    return undefined;
  }
}

/**
 * A schedule for {@link RunSettings}: a digest of its values at every step, after epochs that are better by less and
 * less, so that plateaus differ, too.
 */
export function scheduleDigest(schedule: Schedule, epochs: number, stepsPerEpoch: number): string {
  const hash = createHash("sha256");
  const finished: EpochFigures[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let step = 0; step < stepsPerEpoch; step++)
      // Not the last bits, which another version of Node may round otherwise.
      hash.update(`${schedule(epoch * stepsPerEpoch + step, finished).toPrecision(9)} `);
    finished.push({ testLoss: 1 + 2 ** -epoch, testAccuracy: 0 });
  }
  return hash.digest("hex").slice(0, 16);
}
