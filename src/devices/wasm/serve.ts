import type { Answer, Command, Port } from "./messages.js";
import {
  createMemory,
  type WasmInstance,
  type WasmMemory,
  type WasmModule,
  webAssembly,
} from "./webassembly.js";

/** What native/wasm.cc exports; addresses may come back negative. */
interface Exports {
  readonly __stack_pointer: { value: number };
  __wasm_call_ctors(): void;
  table(): number;
  open(threads: number): number;
  live(device: number, thread: number): void;
  reserve(bytes: number): number;
  release(address: number, bytes: number): void;
  prepare(device: number, words: number, count: number): number;
  drop(program: number): void;
  run(device: number, program: number, bindings: number, scalars: number): number;
  reason(): number;
  reasonLength(): number;
}

interface Block {
  readonly address: number;
  readonly bytes: number;
}

const stackBytes = 1 << 20;

/** A thread's life: it obeys the device at the other end of the port. For a worker's only statement. */
export function serve(port: Port<Answer, Command>): void {
  let runner: Runner | null = null;
  port.receive((command) => {
    try {
      if (command.cmd === "help") help(command);
      else if (command.cmd === "start") runner = new Runner(port, command);
      else runner?.obey(command);
    } catch (error) {
      // A trap: memory ran out half way, or a mistake of ours. What lies in memory can no longer be trusted.
      port.send({ answer: "broken", message: `WebAssembly stopped: ${(error as Error).message}` });
      runner = null;
    }
  });
}

function exportsOf(module: WasmModule, memory: WasmMemory): Exports {
  const instance: WasmInstance = new webAssembly.Instance(module, { env: { memory } });
  return instance.exports as Exports;
}

/** Never returns: a helper takes its share of every step, and sleeps in between. */
function help({ module, memory, device, thread, stack }: Command & { cmd: "help" }): void {
  const wasm = exportsOf(module, memory);
  wasm.__stack_pointer.value = stack + stackBytes;
  wasm.live(device, thread);
}

/** The thread that runs plans. */
class Runner {
  readonly #wasm: Exports;
  readonly #memory: WasmMemory;
  readonly #device: number;
  /** Null where there was no memory for it. */
  readonly #buffers = new Map<number, Block | null>();
  /** An address, or why there is no program. */
  readonly #programs = new Map<number, number | string>();
  /** For a call's arguments. */
  #arguments: Block = { address: 0, bytes: 0 };

  constructor(
    private readonly port: Port<Answer, Command>,
    { module, memory, threads }: Command & { cmd: "start" },
  ) {
    this.#memory = memory ?? createMemory();
    this.#wasm = exportsOf(module, this.#memory);
    this.#wasm.__wasm_call_ctors();
    this.#device = this.#wasm.open(threads);
    const stacks = Array.from({ length: threads - 1 }, () => this.#reserve(stackBytes).address);
    this.#answer({ answer: "started", device: this.#device, stacks, table: this.#wasm.table() });
  }

  obey(command: Exclude<Command, { cmd: "start" | "help" }>): void {
    switch (command.cmd) {
      case "allocate":
        this.#buffers.set(command.buffer, this.#tryReserve(command.bytes));
        return;
      case "free": {
        const block = this.#buffers.get(command.buffer);
        if (block) this.#wasm.release(block.address, block.bytes);
        this.#buffers.delete(command.buffer);
        return;
      }
      case "write": {
        const block = this.#buffers.get(command.buffer);
        // Where there is none, whoever reads it is told.
        if (block) new Uint8Array(this.#memory.buffer).set(command.bytes, block.address + command.byteOffset);
        return;
      }
      case "read":
        this.#settle(command.ticket, () => {
          const from = this.#addressOf(command.buffer) + command.byteOffset;
          const bytes = new Uint8Array(command.byteLength);
          bytes.set(new Uint8Array(this.#memory.buffer, from, command.byteLength));
          return bytes;
        });
        return;
      case "prepare":
        this.#programs.set(command.program, this.#prepare(command.words));
        return;
      case "drop": {
        const program = this.#programs.get(command.program);
        if (typeof program === "number") this.#wasm.drop(program);
        this.#programs.delete(command.program);
        return;
      }
      case "run":
        this.#settle(command.ticket, () => this.#run(command));
        return;
      default:
        command satisfies never;
    }
  }

  #run({ program, buffers, byteOffsets, scalars }: Command & { cmd: "run" }): undefined {
    const address = this.#programs.get(program);
    if (typeof address !== "number") throw new Refusal(address ?? "there is no such program");
    const at = this.#argumentsOf(8 * scalars.length + 4 * buffers.length);
    new Float64Array(this.#memory.buffer, at, scalars.length).set(scalars);
    const bindings = at + 8 * scalars.length;
    const addresses = buffers.map((buffer, i) => this.#addressOf(buffer) + byteOffsets[i]!);
    new Uint32Array(this.#memory.buffer, bindings, addresses.length).set(addresses);
    if (!this.#wasm.run(this.#device, address, bindings, at)) throw new Refusal(this.#reason());
  }

  #prepare(words: Int32Array): number | string {
    const at = this.#argumentsOf(words.byteLength);
    new Int32Array(this.#memory.buffer, at, words.length).set(words);
    const program = this.#wasm.prepare(this.#device, at, words.length);
    return program === 0 ? `prepare: ${this.#reason()}` : program;
  }

  #reserve(bytes: number): Block {
    const block = this.#tryReserve(bytes);
    if (!block) throw new Refusal(`no memory for a buffer of ${bytes} bytes`);
    return block;
  }

  #tryReserve(bytes: number): Block | null {
    const address = this.#wasm.reserve(bytes) >>> 0;
    return address === 0 ? null : { address, bytes };
  }

  #argumentsOf(bytes: number): number {
    if (bytes > this.#arguments.bytes) {
      this.#wasm.release(this.#arguments.address, this.#arguments.bytes);
      this.#arguments = { address: 0, bytes: 0 };
      this.#arguments = this.#reserve(bytes + bytes / 2);
    }
    return this.#arguments.address;
  }

  #addressOf(buffer: number): number {
    const block = this.#buffers.get(buffer);
    if (!block)
      throw new Refusal(block === null ? "no memory for a buffer of this plan" : "the buffer was freed");
    return block.address;
  }

  #reason(): string {
    const text = new Uint8Array(this.#memory.buffer, this.#wasm.reason() >>> 0, this.#wasm.reasonLength());
    return String.fromCharCode(...text);
  }

  #settle(ticket: number, work: () => Uint8Array<ArrayBuffer> | undefined): void {
    try {
      const bytes = work();
      if (bytes) this.port.send({ answer: "done", ticket, bytes }, [bytes.buffer]);
      else this.#answer({ answer: "done", ticket });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#answer({ answer: "failed", ticket, message: error.message });
    }
  }

  #answer(answer: Answer): void {
    this.port.send(answer);
  }
}

/** Of one request; the device can go on. */
class Refusal extends Error {}
