import { UserError } from "../core/errors.js";
import { hashBytes } from "../core/hash.js";
import type { ProcessGroup } from "../distributed/process_group.js";
import { evaluate as compute, type Tensor, tensor } from "../tensor/tensor.js";
import { Exchange } from "./exchange.js";

/** What training asks of the processes that train together; with one process all answers are its own. */
export class Ranks {
  constructor(private readonly group?: ProcessGroup) {}

  get size(): number {
    return this.group?.size ?? 1;
  }

  /** Whether this is rank 0, which alone writes and reports. */
  get isFirst(): boolean {
    return (this.group?.rank ?? 0) === 0;
  }

  /** This rank's part of `count` things: parts follow each other by rank, and differ by one at most. */
  part(count: number): { readonly first: number; readonly end: number } {
    const { rank = 0, size = 1 } = this.group ?? {};
    return { first: Math.floor((rank * count) / size), end: Math.floor(((rank + 1) * count) / size) };
  }

  /** For sums of these variables; undefined where there is nobody to exchange them with. */
  exchange(variables: readonly Tensor[]): Exchange | undefined {
    return this.group && this.size > 1 ? new Exchange(this.group, variables) : undefined;
  }

  /** Sums over all ranks. */
  async sum(numbers: readonly number[]): Promise<readonly number[]> {
    return this.group ? this.group.sum(numbers) : numbers;
  }

  /** Which of these some rank says. */
  async any(flags: readonly boolean[]): Promise<readonly boolean[]> {
    return (await this.sum(flags.map(Number))).map((count) => count > 0);
  }

  /** What rank 0 makes of it, on all: something that JSON can hold, numbers that are none included. */
  async share<T>(make: () => Promise<T>): Promise<T> {
    if (!this.group || this.size === 1) return make();
    const own = this.isFirst ? new TextEncoder().encode(toJson(await make())) : null;
    return fromJson(new TextDecoder().decode(await this.group.broadcast(own))) as T;
  }

  /** Gives rank 0's values to the variables of all. */
  async broadcast(variables: Iterable<Tensor>): Promise<void> {
    if (!this.group || this.size === 1) return;
    for (const one of variables) {
      const values = this.isFirst ? await one.data() : null;
      const bytes = values && new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      const given = await this.group.broadcast(bytes);
      if (this.isFirst) continue;
      one.assign(tensor(new Float32Array(given.buffer), one.shape));
      await compute();
    }
  }

  /** Throws a UserError on all ranks where `text` is not the same on all: `what` it is, and the remedy. */
  async requireSame(what: string, text: string, remedy: string): Promise<void> {
    await this.requireEqual(hashBytes(new TextEncoder().encode(text)), what, remedy);
  }

  /** Throws a UserError on all ranks where the tensors' bits are not the same on all. */
  async requireSameValues(tensors: Iterable<Tensor>, step: number): Promise<void> {
    if (this.size === 1) return;
    let hash: number | undefined;
    for (const one of tensors) {
      const { buffer, byteOffset, byteLength } = await one.data();
      hash = hashBytes(new Uint8Array(buffer, byteOffset, byteLength), hash);
    }
    await this.requireEqual(
      hash ?? 0,
      `its weights after step ${step}`,
      "a fault of memory or network is likely; go on from the newest checkpoint, without that machine",
    );
  }

  private async requireEqual(hash: number, what: string, remedy: string): Promise<void> {
    if (!this.group || this.size === 1) return;
    const own = Array.from({ length: this.size }, (_, rank) => (rank === this.group!.rank ? hash : 0));
    const all = await this.group.sum(own);
    const odd = all.flatMap((one, rank) => (one === all[0] ? [] : [rank]));
    if (odd.length > 0)
      throw new UserError(
        `${odd.length === 1 ? "rank" : "ranks"} ${odd.join(", ")} of ${this.size} differ${odd.length === 1 ? "s" : ""} from rank 0 in ${what}: ${remedy}`,
      );
  }

  /** Tells the others why this rank goes no further. */
  async fail(error: unknown): Promise<void> {
    await this.group?.fail((error as Error).message);
  }
}

function toJson(value: unknown): string {
  return JSON.stringify({ value }, (_, one: unknown) =>
    typeof one === "number" && !Number.isFinite(one) ? { number: String(one) } : one,
  );
}

function fromJson(text: string): unknown {
  const parsed = JSON.parse(text, (_, one: unknown) => {
    const { number, ...rest } = (one ?? {}) as Record<string, unknown>;
    return typeof number === "string" && Object.keys(rest).length === 0 ? Number(number) : one;
  }) as { value?: unknown };
  return parsed.value;
}
