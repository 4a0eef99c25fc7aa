import { OutOfMemoryError, UserError } from "../../core/errors.js";
import { tableHash } from "../../render/cpu.js";
import {
  type ConvolutionAlgorithm,
  type Device,
  type DeviceBuffer,
  type Prepared,
  requireConvolution,
} from "../device.js";
import { encode } from "../plan_words.js";
import type { Answer, Command, Thread } from "./messages.js";
import { createMemory, mostBytes, type WasmModule } from "./webassembly.js";

export interface WasmOptions {
  /** wasm/flybrick.wasm, compiled. */
  module: WasmModule;
  /** More than one where a page's threads may share memory (`crossOriginIsolated`), and in Node. */
  threads: number;
  /** Starts a thread whose only statement is `serve`. */
  spawn(): Thread;
  /** `auto` if left out; another changes results in their last bits. */
  convolution?: ConvolutionAlgorithm;
}

interface WasmBuffer extends DeviceBuffer {
  readonly id: number;
  isFreed: boolean;
  /** Never touched: tells the collector how much memory hangs on this object. */
  readonly weight: ArrayBuffer;
}

interface WasmPrepared extends Prepared {
  readonly program: number;
}

/** Of the 4 GiB, for the module's own data, stacks and what a plan's intermediate results need at least. */
const reserved = 64 << 20;

/** What was forgotten: buffers and programs are freed, a device's threads end. */
const forgotten = new FinalizationRegistry<() => void>((forget) => forget());

/**
 * The CPU device's C++ as WebAssembly, plain SIMD: the same bits on every machine and with any number of threads. Plans
 * run on threads of its own, so whoever opens it keeps its event loop. Throws a UserError where the module is of another
 * version.
 */
export async function openWasm(options: WasmOptions): Promise<Device> {
  const convolution = requireConvolution(options.convolution);
  const owner = { line: await Line.open(options) };
  forgotten.register(owner, closing(owner.line));
  const { threads } = options;
  return {
    name: "wasm",
    description: `WebAssembly, ${threads} thread${threads === 1 ? "" : "s"}${convolution === "auto" ? "" : `, ${convolution} convolutions`}`,
    traits: { channelsLast: true },
    allocate(bytes): WasmBuffer {
      const id = owner.line.allocate(bytes);
      const buffer = { byteLength: bytes, id, isFreed: false, weight: new ArrayBuffer(bytes) };
      forgotten.register(buffer, freeing(owner.line, id, bytes), buffer);
      return buffer;
    },
    free(buffer) {
      const one = buffer as WasmBuffer;
      if (one.isFreed) return;
      one.isFreed = true;
      forgotten.unregister(one);
      owner.line.free(one.id, one.byteLength);
    },
    write(buffer, byteOffset, bytes) {
      requirePlace(buffer as WasmBuffer, byteOffset, bytes.length, "write");
      const copy = bytes.slice();
      owner.line.send({ cmd: "write", buffer: (buffer as WasmBuffer).id, byteOffset, bytes: copy }, [
        copy.buffer,
      ]);
    },
    async read(buffer, byteOffset, byteLength) {
      requirePlace(buffer as WasmBuffer, byteOffset, byteLength, "read");
      const { id } = buffer as WasmBuffer;
      return (await owner.line.ask((ticket) => ({
        cmd: "read",
        ticket,
        buffer: id,
        byteOffset,
        byteLength,
      })))!;
    },
    prepare(plan): WasmPrepared {
      const program = owner.line.number();
      const words = encode(plan, convolution);
      owner.line.send({ cmd: "prepare", program, words }, [words.buffer as ArrayBuffer]);
      const prepared = { plan, program };
      forgotten.register(prepared, dropping(owner.line, program));
      return prepared;
    },
    async run(prepared, bindings, scalars) {
      const { program, plan } = prepared as WasmPrepared;
      if (bindings.length !== plan.bindings || scalars.length !== plan.scalars.length)
        throw new RangeError(
          `run: the plan takes ${plan.bindings} bindings and ${plan.scalars.length} scalars, got ${bindings.length} and ${scalars.length}`,
        );
      const buffers = bindings.map(({ buffer, byteOffset }) => {
        requirePlace(buffer as WasmBuffer, byteOffset, 0, "run");
        return (buffer as WasmBuffer).id;
      });
      const byteOffsets = bindings.map(({ byteOffset }) => byteOffset);
      await owner.line.ask((ticket) => ({
        cmd: "run",
        ticket,
        program,
        buffers,
        byteOffsets,
        scalars: [...scalars],
      }));
    },
  };
}

// Out here, where they cannot hold on to what they wait for.
const closing = (line: Line) => (): void => line.close();
const freeing = (line: Line, buffer: number, bytes: number) => (): void => line.free(buffer, bytes);
const dropping = (line: Line, program: number) => (): void => line.send({ cmd: "drop", program });

function requirePlace(buffer: WasmBuffer, byteOffset: number, bytes: number, what: string): void {
  if (buffer.isFreed) throw new RangeError(`${what}: the buffer was freed`);
  if (!(byteOffset >= 0 && bytes >= 0 && byteOffset + bytes <= buffer.byteLength))
    throw new RangeError(
      `${what}: ${bytes} bytes at ${byteOffset} are outside a buffer of ${buffer.byteLength} bytes`,
    );
}

interface Waiting {
  resolve(bytes: Uint8Array | undefined): void;
  reject(error: Error): void;
}

/** The line to the thread that runs plans. It knows nothing of the device, which may be collected meanwhile. */
class Line {
  readonly #threads: Thread[] = [];
  readonly #waiting = new Map<number, Waiting>();
  #numbers = 0;
  #bytes = 0;
  #broken: Error | null = null;

  static async open({ module, threads, spawn }: WasmOptions): Promise<Line> {
    const line = new Line();
    // Alone, the thread makes the memory itself: a page that may not share it could not hand it over.
    const memory = threads > 1 ? createMemory() : null;
    const runner = line.#spawn(spawn);
    const started = new Promise<Answer & { answer: "started" }>((resolve, reject) => {
      line.#waiting.set(0, { resolve: () => {}, reject });
      runner.receive((answer) => {
        if (answer.answer === "started") resolve(answer);
        else line.#settle(answer);
      });
    });
    runner.send({ cmd: "start", module, memory, threads });
    const { device, stacks, table } = await started;
    line.#waiting.delete(0);
    runner.hold(false);
    if (table !== tableHash) {
      line.close();
      throw new UserError(
        "the WebAssembly module was built from another version of the sources; run npm run build:wasm",
      );
    }
    for (const [i, stack] of stacks.entries()) {
      const helper = line.#spawn(spawn);
      helper.receive((answer) => line.#settle(answer));
      helper.send({ cmd: "help", module, memory: memory!, device, thread: i + 1, stack });
      helper.hold(false);
    }
    return line;
  }

  number(): number {
    this.#numbers += 1;
    return this.#numbers;
  }

  send(command: Command, transfer?: readonly ArrayBuffer[]): void {
    if (!this.#broken) this.#threads[0]!.send(command, transfer);
  }

  /** Sends a command with a number of its own, and waits until it is done. */
  ask(command: (ticket: number) => Command): Promise<Uint8Array | undefined> {
    if (this.#broken) return Promise.reject(this.#broken);
    const ticket = this.number();
    return new Promise((resolve, reject) => {
      if (this.#waiting.size === 0) this.#threads[0]!.hold(true);
      this.#waiting.set(ticket, { resolve, reject });
      this.send(command(ticket));
    });
  }

  allocate(bytes: number): number {
    if (!(bytes >= 0 && this.#bytes + bytes <= mostBytes - reserved))
      throw new OutOfMemoryError(
        `no memory for a buffer of ${bytes} bytes: WebAssembly has 4 GiB, and ${this.#bytes} bytes are taken`,
      );
    this.#bytes += bytes;
    const buffer = this.number();
    this.send({ cmd: "allocate", buffer, bytes });
    return buffer;
  }

  free(buffer: number, bytes: number): void {
    this.#bytes -= bytes;
    this.send({ cmd: "free", buffer });
  }

  close(): void {
    this.#broken ??= new Error("the WebAssembly device was closed");
    for (const thread of this.#threads) thread.close();
  }

  #spawn(spawn: () => Thread): Thread {
    const thread = spawn();
    thread.failed((error) => this.#break(new Error(`a thread of WebAssembly ended: ${error.message}`)));
    this.#threads.push(thread);
    return thread;
  }

  #settle(answer: Answer): void {
    if (answer.answer === "broken") this.#break(new Error(answer.message));
    if (answer.answer !== "done" && answer.answer !== "failed") return;
    const waiting = this.#waiting.get(answer.ticket);
    this.#waiting.delete(answer.ticket);
    if (this.#waiting.size === 0) this.#threads[0]!.hold(false);
    if (answer.answer === "done") waiting?.resolve(answer.bytes);
    else waiting?.reject(new Error(answer.message));
  }

  #break(error: Error): void {
    if (this.#broken) return;
    this.#broken = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    for (const thread of this.#threads) thread.close();
  }
}
