import type { Floats, ProcessGroup } from "../distributed/process_group.js";
import { currentDevice, evaluateInPieces } from "../tensor/evaluate.js";
import type { Tensor } from "../tensor/tensor.js";

/** Of all exchanges of gradients so far, on this rank. */
export interface ExchangeFigures {
  readonly steps: number;
  /** Of one exchange. */
  readonly bytes: number;
  readonly buckets: number;
  /** Seconds in which sums over ranks were made. */
  readonly summing: number;
  /** Seconds in which this rank waited for others before a sum, the device at work or not. */
  readonly waiting: number;
  /** Seconds of both that came after the backward pass, so that the device waited. */
  readonly exposed: number;
}

/**
 * Sums variables over all ranks, in buckets: each as soon as this rank has its values, while the device goes on with
 * the backward pass. Buckets follow from the variables' order and sizes alone, so that all ranks have the same.
 */
export class Exchange {
  private readonly buckets: readonly (readonly Tensor[])[];
  private readonly bytes: number;
  private readonly times = { steps: 0, summing: 0, waiting: 0, exposed: 0 };

  /** `variables`: f32, one after the other in memory, in the order in which they get their values. */
  constructor(
    private readonly group: ProcessGroup,
    variables: readonly Tensor[],
  ) {
    this.bytes = variables.reduce((sum, one) => sum + bytesOf(one), 0);
    // Through a copy of all where the library cannot reach the device's memory.
    this.buckets = currentDevice().address ? inBuckets(variables, group.bucketBytes) : [variables];
  }

  get figures(): ExchangeFigures {
    return { ...this.times, bytes: this.bytes, buckets: this.buckets.length };
  }

  /** Queues the pending assignments, those to the variables among them; they hold the sums when it resolves. */
  async run(): Promise<void> {
    const pieces = evaluateInPieces(this.buckets.map((bucket) => bucket.map(({ node }) => node)));
    const computed = pieces.at(-1)!.then(() => performance.now());
    const sums: Promise<void>[] = [computed.then(() => {})];
    try {
      for (const [k, bucket] of this.buckets.entries()) {
        await pieces[k];
        const sum = currentDevice().address ? this.sumInPlace(bucket) : this.sumCopies(bucket);
        // Whoever waits below learns of it.
        sum.catch(() => {});
        sums.push(sum);
      }
    } finally {
      await Promise.all(sums);
    }
    this.times.steps++;
    this.times.exposed += (performance.now() - (await computed)) / 1000;
  }

  private async sumInPlace(bucket: readonly Tensor[]): Promise<void> {
    const device = currentDevice();
    const [first, last] = [bucket[0]!, bucket.at(-1)!].map(({ node }) => node.storage!.on(device));
    const end = last!.byteOffset + bytesOf(bucket.at(-1)!);
    await this.sum({
      address: device.address!(first!.buffer) + BigInt(first!.byteOffset),
      count: (end - first!.byteOffset) / 4,
    });
  }

  private async sumCopies(bucket: readonly Tensor[]): Promise<void> {
    const device = currentDevice();
    const shared = new Float32Array(new SharedArrayBuffer(this.bytes));
    const all = new Uint8Array(shared.buffer);
    const parts: { tensor: Tensor; at: number }[] = [];
    let at = 0;
    for (const tensor of bucket) {
      parts.push({ tensor, at });
      at += bytesOf(tensor);
    }
    for (const { tensor, at } of parts) all.set(await tensor.node.storage!.read(device), at);
    await this.sum({ shared, count: shared.length });
    for (const { tensor, at } of parts)
      tensor.node.storage!.write(device, all.slice(at, at + bytesOf(tensor)));
  }

  private async sum(floats: Floats): Promise<void> {
    const { waiting, summing } = await this.group.sumInPlace(floats);
    this.times.waiting += waiting;
    this.times.summing += summing;
  }
}

function bytesOf({ shape }: Tensor): number {
  return 4 * shape.reduce((product: number, extent: number) => product * extent, 1);
}

/** Neighbours together until they have so many bytes. */
function inBuckets(variables: readonly Tensor[], leastBytes: number): Tensor[][] {
  const buckets: Tensor[][] = [];
  let room = 0;
  for (const one of variables) {
    if (room <= 0) {
      buckets.push([]);
      room = leastBytes;
    }
    buckets.at(-1)!.push(one);
    room -= bytesOf(one);
  }
  return buckets;
}
