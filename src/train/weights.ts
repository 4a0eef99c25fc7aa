import { UserError } from "../core/errors.js";
import type { Module } from "../nn/index.js";
import { type Tensor, tensor } from "../tensor/tensor.js";
import {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsDtype,
  type StoredTensor,
} from "./safetensors.js";
import { fromTorchvision } from "./torchvision.js";

/** Parameters and buffers as a safetensors file's bytes, by PyTorch's names. */
export async function encodeWeights(net: Module): Promise<Uint8Array> {
  const entries = [...net.namedState()];
  const tensors = await Promise.all(
    entries.map(async ([name, parameter]) => {
      const values = await parameter.data();
      const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      return [name, { dtype: "F32" as const, shape: parameter.shape, data }] as const;
    }),
  );
  return encodeSafetensors(new Map(tensors));
}

/**
 * Puts the tensors of a safetensors file into a network: by PyTorch's names of the same `nn.Sequential`, or by those of
 * torchvision's `alexnet`. `name` is how messages call the file. Throws where it is damaged or made for another network.
 */
export function decodeWeights(net: Module, bytes: Uint8Array, name = "the file"): void {
  setWeights(net, decodeSafetensors(bytes, name).tensors, name);
}

/** Puts stored tensors into a network, likewise. */
export function setWeights(net: Module, stored: ReadonlyMap<string, StoredTensor>, path: string): void {
  const values = new Map<string, Tensor>();
  for (const [name, { dtype, shape, data }] of stored) {
    // PyTorch's batch norm counts; nothing here reads it.
    if (name.endsWith("num_batches_tracked")) continue;
    const floats = floatsOf(dtype, data);
    if (!floats)
      throw new UserError(`${path}: tensor ${name} is ${dtype}; weights must be F32, F64, F16 or BF16`);
    values.set(name, tensor(floats, shape));
  }
  net.loadParameters(fromTorchvision(values, net.namedState().keys(), path));
}

/** Elements as f32, F64 rounded to it; undefined where they are integers. */
function floatsOf(
  dtype: SafetensorsDtype,
  { buffer, byteOffset, byteLength }: Uint8Array,
): Float32Array | undefined {
  if (dtype === "F32") return new Float32Array(buffer as ArrayBuffer, byteOffset, byteLength / 4);
  if (dtype === "F64") return Float32Array.from(new Float64Array(buffer, byteOffset, byteLength / 8));
  if (dtype !== "F16" && dtype !== "BF16") return undefined;
  const halves = new Uint16Array(buffer, byteOffset, byteLength / 2);
  if (dtype === "F16") return Float32Array.from(halves, fromHalf);
  // The upper half of an f32.
  return new Float32Array(Uint32Array.from(halves, (bits) => bits << 16).buffer);
}

/** The value of an IEEE 754 half-precision number. */
function fromHalf(bits: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14);
}
