import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { UserError } from "../../core/errors.js";
import type { ConvolutionAlgorithm, Device } from "../device.js";
import { packageRoot } from "../package_root.js";
import type { Thread } from "./messages.js";
import { openWasm } from "./wasm.js";
import { webAssembly } from "./webassembly.js";

export interface NodeWasmOptions {
  /** As many as the process may use if left out. */
  threads?: number;
  convolution?: ConvolutionAlgorithm;
}

/** Opens the WebAssembly device in Node, on its worker threads. Throws a UserError where files are missing. */
export async function openWasmInNode({
  threads = availableParallelism(),
  ...rest
}: NodeWasmOptions): Promise<Device> {
  const root = packageRoot();
  const file = join(root, "wasm", "flybrick.wasm");
  // Compiled, even where this file is run as TypeScript: Node 20 starts no thread with that.
  const worker = join(root, "dist", "devices", "wasm", "node_worker.js");
  for (const path of [file, worker])
    if (!existsSync(path))
      throw new UserError(`the WebAssembly device needs ${path}, which is not there; run npm run build`);
  const module = await webAssembly.compile(await readFile(file));
  return openWasm({ module, threads, spawn: () => startThread(worker), ...rest });
}

function startThread(path: string): Thread {
  // Without what this process was started with: a loader of TypeScript, say.
  const worker = new Worker(path, { execArgv: [] });
  return {
    send: (message, transfer = []) => worker.postMessage(message, [...transfer]),
    receive: (listener) => void worker.on("message", listener),
    failed: (listener) => void worker.on("error", listener),
    hold: (isHeld) => (isHeld ? worker.ref() : worker.unref()),
    close: () => void worker.terminate(),
  };
}
