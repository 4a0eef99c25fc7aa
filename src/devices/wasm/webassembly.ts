/** What is used of the host's WebAssembly, which the browser's types declare and Node's do not. */
export interface WasmModule {
  readonly "~module": never;
}

export interface WasmMemory {
  /** Another object after the memory grew. */
  readonly buffer: ArrayBufferLike;
}

export interface WasmInstance {
  readonly exports: unknown;
}

interface WebAssemblyApi {
  validate(bytes: Uint8Array): boolean;
  compile(bytes: Uint8Array): Promise<WasmModule>;
  readonly Memory: new (sizes: { initial: number; maximum: number; shared: boolean }) => WasmMemory;
  readonly Instance: new (module: WasmModule, imports: { env: { memory: WasmMemory } }) => WasmInstance;
}

export const webAssembly = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;

const pages = 65536;
/** All that 32-bit addresses reach. */
export const mostBytes = 65536 * pages;

/** The module's memory, which every thread of a device shares. Starts at a mebibyte and a half for stack and constants. */
export function createMemory(): WasmMemory {
  return new webAssembly.Memory({ initial: 24, maximum: pages, shared: true });
}
