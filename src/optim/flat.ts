import type { Storage } from "../graph/storage.js";
import { zeros } from "../ops/creation.js";
import { currentDevice } from "../tensor/evaluate.js";
import { type Tensor, variable } from "../tensor/tensor.js";

const alignment = 256;

/**
 * Puts variables that have no memory yet into one buffer, each on 256 bytes, the padding zero: one range to
 * reduce over machines or to write to a file; into as many as it takes where the device limits them. Those that have
 * memory keep it.
 */
export function layOut(variables: readonly Tensor[]): void {
  const device = currentDevice();
  const { maxSharedBytes = Number.POSITIVE_INFINITY } = device.traits;
  const buffers: { bytes: number; parts: { storage: Storage; at: number }[] }[] = [];
  for (const { node } of variables) {
    const storage = node.storage!;
    if (storage.isAllocated) continue;
    let last = buffers.at(-1);
    if (!last || last.bytes + storage.byteLength > maxSharedBytes) {
      last = { bytes: 0, parts: [] };
      buffers.push(last);
    }
    last.parts.push({ storage, at: last.bytes });
    last.bytes = Math.ceil((last.bytes + storage.byteLength) / alignment) * alignment;
  }
  for (const { bytes, parts } of buffers) {
    const buffer = device.allocate(bytes);
    for (const { storage, at } of parts) storage.put(device, buffer, at);
  }
}

/** `count` sets of zeros in the shapes of `like`, each set in one buffer: [parameter][set]. */
export function zeroState(like: readonly Tensor[], count: number): Tensor[][] {
  const sets = Array.from({ length: count }, () => {
    const set = like.map((one) => variable(zeros(one.shape)));
    layOut(set);
    return set;
  });
  return like.map((_, k) => sets.map((set) => set[k]!));
}
