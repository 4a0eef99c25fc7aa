import { readFile } from "node:fs/promises";
import { atomicWrite } from "../core/atomic_write.js";
import { fileProblem, UserError } from "../core/errors.js";
import type { Module } from "../nn/index.js";
import { decodeCheckpoint, isCheckpoint, weightsOf } from "./checkpoint.js";
import { decodeSafetensors } from "./safetensors.js";
import { encodeWeights, setWeights } from "./weights.js";

/** Writes a network's parameters and buffers as safetensors, whole or not at all. */
export async function saveWeights(net: Module, path: string): Promise<void> {
  await atomicWrite(path, await encodeWeights(net));
}

/**
 * Reads a network's parameters and buffers from safetensors, by PyTorch's names of the same `nn.Sequential`, or by those
 * of torchvision's `alexnet`; or from a checkpoint, whose averages are taken where it has some. Throws where the file is
 * damaged or made for another network.
 */
export async function loadWeights(net: Module, path: string): Promise<void> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new UserError(`${path} cannot be read, because ${fileProblem(error)}: name a safetensors file.`);
  });
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  const stored = isCheckpoint(metadata) ? weightsOf(decodeCheckpoint(bytes, path)) : tensors;
  setWeights(net, stored, path);
}
