import type { Checkpoint, CheckpointKeeper, StoredTensor, TrainState } from "flybrick";
import { within } from "./database.js";
import type { CurvePoint } from "./messages.js";
import type { Sums } from "./progress_meter.js";
import { heldRuns } from "./run_locks.js";

/** What goes with a checkpoint: the curve up to it, and what its next point is made of. */
export interface Surroundings {
  readonly curve: readonly CurvePoint[];
  readonly sums: Sums;
  /** The page's, which the visitor may have changed. */
  readonly learningRate: number;
}

interface Kept extends Checkpoint, Surroundings {}

/** A run's newest checkpoint in IndexedDB, whole or not at all. */
export async function readCheckpoint(run: number): Promise<Kept | undefined> {
  return within("checkpoints", "readonly", (store) => store.get(run) as IDBRequest<Kept | undefined>);
}

/** Writes a run's checkpoint in place of the one before, and removes those of runs that no tab has open. */
export async function writeCheckpoint(
  run: number,
  state: TrainState,
  tensors: Parameters<CheckpointKeeper["write"]>[1],
  surroundings: Surroundings,
): Promise<void> {
  const stored = new Map<string, StoredTensor>();
  for (const [name, one] of tensors) {
    const { buffer, byteOffset, byteLength } = await one.data();
    const data = new Uint8Array(buffer, byteOffset, byteLength);
    stored.set(name, { dtype: "F32", shape: one.shape, data });
  }
  const held = await heldRuns();
  const all = await within("checkpoints", "readonly", (store) => store.getAllKeys());
  const kept: Kept = { state, tensors: stored, ...surroundings };
  await within("checkpoints", "readwrite", (store) => {
    for (const key of all) if (key !== run && !held.has(Number(key))) store.delete(key);
    return store.put(kept, run);
  });
}

/** Whether there is one to go on from. */
export async function hasCheckpoint(run: number): Promise<boolean> {
  return (await within("checkpoints", "readonly", (store) => store.getKey(run))) !== undefined;
}
