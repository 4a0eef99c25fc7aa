import { UserError } from "../../core/errors.js";
import type { ConvolutionAlgorithm, Device } from "../device.js";
import type { Answer, Thread } from "./messages.js";
import { openWasm } from "./wasm.js";
import { type WasmModule, webAssembly } from "./webassembly.js";

/** Addresses of the device's two files, relative to the page (in a worker, to its script). */
export interface WasmFiles {
  /** The package's `flybrick/flybrick.wasm`. */
  readonly module?: string | URL;
  /** The package's `flybrick/page_worker.js`, with what it imports; of the page's own origin. */
  readonly worker?: string | URL;
}

export interface PageWasmOptions {
  /** As many as the processor has where the page is cross-origin isolated, which more than one need; else 1. */
  readonly threads?: number;
  readonly convolution?: ConvolutionAlgorithm;
  /** Where a bundler finds them by itself if left out. */
  readonly wasm?: WasmFiles;
}

/** What is used of pages, which the browser's types declare and Node's do not. */
interface PageWorker {
  postMessage(message: unknown, transfer: readonly ArrayBuffer[]): void;
  addEventListener(type: "message", listener: (event: { readonly data: Answer }) => void): void;
  addEventListener(type: "error", listener: (event: { readonly message?: string }) => void): void;
  terminate(): void;
}
declare const Worker: new (address: string | URL, options: { type: "module" }) => PageWorker;
const page = globalThis as {
  readonly crossOriginIsolated?: boolean;
  readonly navigator?: { readonly hardwareConcurrency?: number };
};

/**
 * Opens the WebAssembly device in a page or a worker; both keep their event loops, since plans run on workers of the
 * device's own. Throws a UserError where the browser lacks WebAssembly or its SIMD, where a file cannot be loaded, and
 * where threads are asked for that the page may not have.
 */
export async function openWasmInPage({
  threads = isolated() ? (page.navigator?.hardwareConcurrency ?? 1) : 1,
  wasm = {},
  ...rest
}: PageWasmOptions): Promise<Device> {
  if (!webAssembly) throw new UserError("this browser has no WebAssembly, or it is turned off");
  if (!webAssembly.validate(simdProbe))
    throw new UserError(
      "this browser's WebAssembly has no SIMD, which the device needs: use Chrome 91, Firefox 89, Safari 16.4 or a later one",
    );
  if (threads > 1 && !isolated())
    throw new UserError(
      `threads is ${threads}, and threads may not share memory in this page: serve it with the headers "Cross-Origin-Opener-Policy: same-origin" and "Cross-Origin-Embedder-Policy: require-corp", or ask for 1`,
    );
  // Spelled as bundlers look for it.
  const module = await load(wasm.module ?? new URL("../../../wasm/flybrick.wasm", import.meta.url));
  return openWasm({ module, threads, spawn: () => startThread(wasm.worker), ...rest });
}

const isolated = (): boolean => page.crossOriginIsolated === true;

/** A module whose one function makes a vector (`i8x16.splat`) and counts its bits (`i8x16.popcnt`). */
const simdProbe = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // "\0asm", version 1
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b], // a type: () -> v128
  ...[0x03, 0x02, 0x01, 0x00], // a function of it
  ...[0x0a, 0x0a, 0x01, 0x08, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0xfd, 0x62, 0x0b],
);

async function load(address: string | URL): Promise<WasmModule> {
  const remedy =
    "copy the package's wasm/flybrick.wasm there, or name its address: openDevice(name, { wasm: { module } })";
  const fail = (what: string): never => {
    throw new UserError(`the WebAssembly device needs ${address}, ${what}; ${remedy}`);
  };
  const response = await fetch(address).catch((error: Error) =>
    fail(`which cannot be loaded (${error.message})`),
  );
  if (!response.ok) fail(`for which the server answers ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  // Servers of single-page applications answer with the page.
  return webAssembly
    .compile(bytes)
    .catch((error: Error) => fail(`which is no such module (${error.message})`));
}

function startThread(address: string | URL | undefined): Thread {
  // Spelled as bundlers look for it.
  const worker =
    address === undefined
      ? new Worker(new URL("./page_worker.js", import.meta.url), { type: "module" })
      : new Worker(address, { type: "module" });
  return {
    send: (message, transfer = []) => worker.postMessage(message, transfer),
    receive: (listener) => worker.addEventListener("message", ({ data }) => listener(data)),
    failed: (listener) =>
      worker.addEventListener("error", ({ message }) =>
        listener(new Error(message || missingWorker(address))),
      ),
    hold() {},
    close: () => worker.terminate(),
  };
}

/** Browsers do not tell why a worker's script could not be loaded. */
function missingWorker(address: string | URL = "page_worker.js beside the bundle"): string {
  return `its script, ${address}, cannot be loaded; put the package's flybrick/page_worker.js there, bundled, or name its address: openDevice(name, { wasm: { worker } })`;
}
