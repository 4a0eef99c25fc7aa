// The thread that calls MPI: a process has one. It works off requests in order, so that all ranks make their calls in
// the same order, and the event loop of the process never waits.
import { hostname } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import type { Answer, Answers, Request, ThreadData } from "./messages.js";
import { type Memory, MpiLibrary } from "./mpi_library.js";

/** Of the message by which a rank says that it goes no further. */
const failureTag = 4711;
const failureBytes = 1024;
/** Milliseconds for which a rank that fails waits until all others have heard it: as long as a step may take. */
const failurePatience = 3000;
/**
 * Elements of one call and rank: what a cache holds. Between two ranks of a host 16 MiB in one call took 0.22 ms a MiB,
 * 64 MiB 0.70; more ranks share a call's elements out.
 */
const elementsOfRank = 2 ** 19;
/** Of one call, which counts them in 32 bits. */
const elementsAtMost = 2 ** 28;

const koffi = (await import("koffi")).default;
// MPICH starts up on more stack than koffi's 1 MiB.
koffi.config({ sync_stack_size: 16 << 20, async_stack_size: 8 << 20 });

const { libraries, ended } = workerData as ThreadData;

/** Another rank goes no further. */
class Loss extends Error {}

const [none, one] = [new Int32Array(new SharedArrayBuffer(4)), new Int32Array(1)];
const request = new BigInt64Array(1);
let mpi: MpiLibrary;
let rank = 0;
let size = 1;
let loss: Loss | null = null;

/** Sleeps; waiting ranks leave the cores to those that compute. */
function rest(milliseconds: number): void {
  Atomics.wait(none, 0, 0, milliseconds);
}

/** Takes in what another rank that goes no further has said; null if none has. */
function hear(): { rank: number; reason: string } | null {
  const { world, byte } = mpi.handles;
  mpi.call("MPI_Iprobe", mpi.anySource, failureTag, world, one, mpi.ignoredStatus);
  if (one[0] === 0) return null;
  const text = new Uint8Array(failureBytes);
  mpi.call("MPI_Recv", text, failureBytes, byte, mpi.anySource, failureTag, world, mpi.ignoredStatus);
  const [rank, reason = ""] = new TextDecoder().decode(text).replaceAll("\0", "").split("\n");
  return { rank: Number(rank), reason };
}

/**
 * Waits until all ranks are here, asleep. MPI itself waits in a busy loop, which would take the cores from those that are
 * not here yet.
 */
function meet(): void {
  if (loss) throw loss;
  mpi.call("MPI_Ibarrier", mpi.handles.world, request);
  for (let pause = 0; ; pause = Math.min(0.5, pause + 0.02)) {
    mpi.call("MPI_Test", request, one, mpi.ignoredStatus);
    if (one[0] !== 0) return;
    if (Atomics.load(ended, 0) > 0) {
      const rank = ended[0]! - 1;
      fail(`rank ${rank} (process ${ended[1]} on ${hostname()}) has ended`, rank);
      throw loss;
    }
    const heard = hear();
    if (heard) {
      loss = new Loss(`rank ${heard.rank} has stopped: ${heard.reason}`);
      throw loss;
    }
    if (pause > 0.1) rest(pause);
  }
}

/** `memory` from element `from` on. */
function after(memory: Memory, from: number, bytes: number): Memory {
  if (typeof memory === "bigint") return memory + BigInt(from * bytes);
  return new Uint8Array(memory.buffer, memory.byteOffset + from * bytes);
}

function sum(memory: Memory, count: number, type: "float" | "double"): void {
  const { world, sum } = mpi.handles;
  const mostElements = Math.min(elementsAtMost, elementsOfRank * size);
  for (let from = 0; from < count; from += mostElements) {
    const part = after(memory, from, type === "float" ? 4 : 8);
    const elements = Math.min(mostElements, count - from);
    mpi.call("MPI_Allreduce", mpi.inPlace, part, elements, mpi.handles[type], sum, world);
  }
}

function broadcast(bytes: Uint8Array | null): Uint8Array {
  const { world, byte, double } = mpi.handles;
  const length = Float64Array.of(bytes?.length ?? 0);
  mpi.call("MPI_Bcast", length, 1, double, 0, world);
  const all = bytes ?? new Uint8Array(length[0]!);
  for (let from = 0; from < all.length; from += elementsAtMost)
    mpi.call("MPI_Bcast", after(all, from, 1), Math.min(elementsAtMost, all.length - from), byte, 0, world);
  return all;
}

/**
 * Tells the others but one that has ended, for as long as they may take to hear it. Returns whether a lower rank has the
 * same reason.
 */
function fail(reason: string, dead?: number): boolean {
  if (loss) return false;
  loss = new Loss(reason);
  const line = reason.replaceAll("\n", " ");
  const text = new Uint8Array(failureBytes);
  new TextEncoder().encodeInto(`${rank}\n${line}`, text.subarray(0, failureBytes - 1));
  const { world, byte } = mpi.handles;
  const sends = Array.from({ length: size }, (_, to) => ({ to, request: new BigInt64Array(1) })).filter(
    ({ to }) => to !== rank && to !== dead,
  );
  for (const { to, request } of sends)
    mpi.call("MPI_Issend", text, failureBytes, byte, to, failureTag, world, request);
  let isKnown = false;
  const start = performance.now();
  const isHeard = ({ request }: (typeof sends)[number]): boolean => {
    mpi.call("MPI_Test", request, one, mpi.ignoredStatus);
    return one[0] !== 0;
  };
  for (let open = sends; performance.now() - start < failurePatience; rest(5)) {
    for (let heard = hear(); heard; heard = hear()) isKnown ||= heard.rank < rank && heard.reason === line;
    open = open.filter((one) => !isHeard(one));
    // Those that fail with this rank may take a little longer to say so.
    if (open.length === 0 && performance.now() - start > 200) break;
  }
  return isKnown;
}

const work: { readonly [K in Request["kind"]]: (of: Extract<Request, { kind: K }>) => Answers[K] } = {
  join() {
    mpi = MpiLibrary.load(koffi, libraries);
    ({ rank, size } = mpi.start());
    return { rank, size, version: mpi.version };
  },
  sum({ numbers }) {
    meet();
    sum(numbers, numbers.length, "double");
    return numbers;
  },
  sumInPlace({ floats }) {
    const start = performance.now();
    meet();
    const met = performance.now();
    sum("address" in floats ? floats.address : floats.shared, floats.count, "float");
    return { waiting: (met - start) / 1000, summing: (performance.now() - met) / 1000 };
  },
  broadcast({ bytes }) {
    meet();
    return broadcast(bytes);
  },
  fail({ reason }) {
    return fail(reason);
  },
  leave() {
    if (loss) return null;
    meet();
    mpi.call("MPI_Finalize");
    return null;
  },
};

parentPort!.on("message", (request: Request) => {
  let answer: Answer;
  try {
    answer = { value: (work[request.kind] as (of: Request) => Answers[Request["kind"]])(request) };
  } catch (error) {
    answer = { error: (error as Error).message, isLoss: error instanceof Loss };
  }
  parentPort!.postMessage(answer);
});
