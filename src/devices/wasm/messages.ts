import type { WasmMemory, WasmModule } from "./webassembly.js";

/** One end of the line between a device and one of its threads. */
export interface Port<Sent, Received> {
  send(message: Sent, transfer?: readonly ArrayBuffer[]): void;
  receive(listener: (message: Received) => void): void;
}

/** A thread as its device sees it. */
export interface Thread extends Port<Command, Answer> {
  /** The thread ended, or could not start. */
  failed(listener: (error: Error) => void): void;
  /** Whether the process waits for it; a page has no such thing. */
  hold(isHeld: boolean): void;
  close(): void;
}

/** To a thread; all but the first two are for the one that runs plans. Numbers stand for buffers and programs. */
export type Command =
  | { cmd: "start"; module: WasmModule; memory: WasmMemory | null; threads: number }
  | { cmd: "help"; module: WasmModule; memory: WasmMemory; device: number; thread: number; stack: number }
  | { cmd: "allocate"; buffer: number; bytes: number }
  | { cmd: "free"; buffer: number }
  | { cmd: "write"; buffer: number; byteOffset: number; bytes: Uint8Array }
  | { cmd: "read"; ticket: number; buffer: number; byteOffset: number; byteLength: number }
  | { cmd: "prepare"; program: number; words: Int32Array }
  | { cmd: "drop"; program: number }
  | {
      cmd: "run";
      ticket: number;
      program: number;
      buffers: readonly number[];
      byteOffsets: readonly number[];
      scalars: readonly number[];
    };

/** From the thread that runs plans. */
export type Answer =
  | { answer: "started"; device: number; stacks: readonly number[]; table: number }
  | { answer: "done"; ticket: number; bytes?: Uint8Array }
  | { answer: "failed"; ticket: number; message: string }
  /** Nothing can be computed any more. */
  | { answer: "broken"; message: string };
