/** Floats that a sum over ranks is made of and goes to: where they lie in this process's memory, or in shared memory. */
export type Floats =
  | { readonly address: bigint; readonly count: number }
  | { readonly shared: Float32Array<SharedArrayBuffer>; readonly count: number };

/** What a sum took on this rank, in seconds. */
export interface ExchangeTime {
  /** Until all ranks had come to it. */
  readonly waiting: number;
  /** Of the sum itself. */
  readonly summing: number;
}

/**
 * Processes that train one network together; ranks are their numbers from 0. Every rank makes the same calls in the same
 * order, and each call ends once all have made it. Once a rank has failed or ended, all calls reject with a
 * {@link RankLostError}, here and on all others.
 */
export interface ProcessGroup {
  readonly rank: number;
  readonly size: number;
  /** How many of them run on this host. */
  readonly localSize: number;
  /** A few words for people: the library and its version. */
  readonly description: string;
  /** Gradients are summed in parts of at least so many bytes, each as soon as it is known. */
  readonly bucketBytes: number;
  /** Sums over all ranks, number by number. */
  sum(numbers: readonly number[]): Promise<number[]>;
  /** Puts sums over all ranks in the place of their terms. */
  sumInPlace(floats: Floats): Promise<ExchangeTime>;
  /** Rank 0's bytes, on every rank; the others give null. */
  broadcast(bytes: Uint8Array | null): Promise<Uint8Array>;
  /** Tells all others that this rank goes no further, and why. Resolves to whether a lower rank has said the same. */
  fail(reason: string): Promise<boolean>;
  /** Leaves the group. To be called once, last, by every rank; ends the process where the library cannot be left. */
  close(): Promise<void>;
}
