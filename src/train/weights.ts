import { readFile } from "node:fs/promises";
import { hostArray } from "../core/dtype.js";
import { fileProblem, UserError } from "../core/errors.js";
import type { Module } from "../nn/index.js";
import { type Tensor, tensor } from "../tensor/tensor.js";
import { atomicWrite } from "./atomic_write.js";
import { decodeSafetensors, encodeSafetensors } from "./safetensors.js";
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

/** Writes a network's parameters and buffers as safetensors, whole or not at all. */
export async function saveWeights(net: Module, path: string): Promise<void> {
  await atomicWrite(path, await encodeWeights(net));
}

/**
 * Reads a network's parameters and buffers from safetensors, by PyTorch's names of the same `nn.Sequential`, or by those
 * of torchvision's `alexnet`. Throws where the file is damaged or made for another network.
 */
export async function loadWeights(net: Module, path: string): Promise<void> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new UserError(`${path} cannot be read, because ${fileProblem(error)}: name a safetensors file.`);
  });
  const { tensors } = decodeSafetensors(bytes, path);
  const values = new Map<string, Tensor>();
  for (const [name, { dtype, shape, data }] of tensors) {
    if (dtype !== "F32") throw new UserError(`${path}: tensor ${name} is ${dtype}; weights must be F32`);
    values.set(name, tensor(hostArray("f32", data), shape));
  }
  net.loadParameters(fromTorchvision(values, net.namedState().keys(), path));
}
