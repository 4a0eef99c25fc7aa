import { atomicWrite } from "../core/atomic_write.js";
import type { Sequential } from "../nn/index.js";
import { encodeOnnx, type OnnxOptions } from "./onnx.js";

/** Writes what `encodeOnnx` makes, whole or not at all. */
export async function exportOnnx(net: Sequential, path: string, options: OnnxOptions = {}): Promise<void> {
  await atomicWrite(path, await encodeOnnx(net, options));
}
