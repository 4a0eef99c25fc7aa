import { zeros } from "../ops/creation.js";
import { currentDevice } from "../tensor/evaluate.js";
import { type Tensor, variable } from "../tensor/tensor.js";

const alignment = 256;

/**
 * Puts variables that have no memory yet into one buffer, each on 256 bytes, the padding zero: one range to
 * reduce over machines or to write to a file. Those that have memory keep it.
 */
export function layOut(variables: readonly Tensor[]): void {
  const fresh = variables.map((one) => one.node.storage!).filter((storage) => !storage.isAllocated);
  const device = currentDevice();
  let bytes = 0;
  const offsets = fresh.map((storage) => {
    const at = bytes;
    bytes = Math.ceil((at + storage.byteLength) / alignment) * alignment;
    return at;
  });
  if (fresh.length === 0) return;
  const buffer = device.allocate(bytes);
  fresh.forEach((storage, i) => {
    storage.put(device, buffer, offsets[i]!);
  });
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
