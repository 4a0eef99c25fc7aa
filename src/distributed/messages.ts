import type { MpiName } from "./launcher.js";
import type { ExchangeTime, Floats } from "./process_group.js";

/** What the thread that calls MPI is started with. */
export interface ThreadData {
  readonly libraries: readonly MpiName[];
  /** Shared: one more than the number of a rank of this host that has ended, 0 while there is none, and its process number. */
  readonly ended: Int32Array<SharedArrayBuffer>;
}

export type Request =
  | { readonly kind: "join" }
  | { readonly kind: "sum"; readonly numbers: Float64Array }
  | { readonly kind: "sumInPlace"; readonly floats: Floats }
  | { readonly kind: "broadcast"; readonly bytes: Uint8Array | null }
  | { readonly kind: "fail"; readonly reason: string }
  | { readonly kind: "leave" };

export interface Joined {
  readonly rank: number;
  readonly size: number;
  readonly version: string;
}

/** What a request of each kind is answered with. */
export interface Answers {
  readonly join: Joined;
  readonly sum: Float64Array;
  readonly sumInPlace: ExchangeTime;
  readonly broadcast: Uint8Array;
  readonly fail: boolean;
  readonly leave: null;
}

/** One for each request, in their order. `isLoss`: it is another rank that cannot go on. */
export type Answer =
  | { readonly value: Answers[keyof Answers] }
  | { readonly error: string; readonly isLoss: boolean };
