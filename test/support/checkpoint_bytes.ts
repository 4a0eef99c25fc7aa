import { createHash } from "node:crypto";
import { encodeSafetensors, type StoredTensor } from "../../src/train/safetensors.js";

/** A file with the checksum that fits what is before it. */
export function signed(bytes: Uint8Array): Uint8Array {
  const content = bytes.subarray(0, Math.max(0, bytes.length - 32));
  // Not a Buffer, whose slices are no copies.
  return new Uint8Array(Buffer.concat([content, createHash("sha256").update(content).digest()]));
}

/** A checkpoint of any state, whether it makes sense or not. */
export function checkpointBytes(state: unknown, tensors: ReadonlyMap<string, StoredTensor>): Uint8Array {
  const checksum: StoredTensor = { dtype: "U8", shape: [32], data: new Uint8Array(32) };
  return signed(
    encodeSafetensors(new Map([...tensors, ["checksum", checksum]]), {
      format: "flybrick checkpoint 1",
      state: JSON.stringify(state),
    }),
  );
}
