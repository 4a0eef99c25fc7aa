import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { UserError } from "../core/errors.js";
import { hashBytes } from "../core/hash.js";
import { packageRoot } from "../devices/package_root.js";
import { type Launcher, launcherOf, type MpiName } from "./launcher.js";
import type { Answer, Answers, Request, ThreadData } from "./messages.js";
import type { ProcessGroup } from "./process_group.js";
import { RankLostError } from "./rank_lost.js";

export interface MpiOptions {
  /** The implementation; that of the launcher if left out, without one Open MPI, then MPICH. */
  readonly library?: MpiName;
  /** Gradients are summed in parts of at least so many bytes, each as soon as it is known; 4 MiB if left out. */
  readonly bucketBytes?: number;
}

/** Settings of the libraries that suit processes like these, unless the environment has its own. */
const settings = {
  // Messages within a host are copied twice, not read out of the other's memory, which containers make 30 times slower.
  OMPI_MCA_btl_vader_single_copy_mechanism: "none",
  // A rank that waits leaves its core to those that compute.
  OMPI_MCA_mpi_yield_when_idle: "1",
  MPIR_CVAR_POLLS_BEFORE_YIELD: "10",
  // UCX, of MPICH, tries its hooks by setting the end of the heap anew, on which other threads are at work: 2 starts of
  // 22 crashed.
  UCX_MEM_EVENTS: "n",
  UCX_MEM_MMAP_HOOK_MODE: "none",
  UCX_MEM_MALLOC_HOOKS: "n",
  // Signals are Node's.
  UCX_HANDLE_ERRORS: "none",
};

/** How often those of this host are looked for, in milliseconds. */
const lookEvery = 200;
/** How long the thread has to notice that one has ended, unless it is in a call that waits for it for ever. */
const noticePatience = 2000;

/**
 * Joins the processes that mpirun has started, through Open MPI or MPICH, whichever is installed. Once a process; every
 * process has to. Throws a UserError that says what to install where the package koffi or a library is missing, and
 * where the launcher is another library's, so that every process would be alone.
 */
export async function connectMpi({ library, bucketBytes = 4 << 20 }: MpiOptions = {}): Promise<ProcessGroup> {
  if (!(bucketBytes > 0)) throw new UserError(`bucketBytes is ${bucketBytes}; give a number above 0`);
  await requireKoffi();
  for (const [name, value] of Object.entries(settings)) process.env[name] ??= value;
  const launcher = launcherOf(process.env);
  const names: MpiName[] = library
    ? [library]
    : launcher?.library
      ? [launcher.library]
      : ["openmpi", "mpich"];
  const line = new Line(names);
  try {
    const { rank, size, version } = await line.ask({ kind: "join" });
    requireMatch(launcher, size, version);
    const peers = await findPeers(line, rank, size);
    line.peers = peers;
    return {
      rank,
      size,
      localSize: peers.length + 1,
      description: version,
      bucketBytes,
      sum: async (numbers) => [...(await line.ask({ kind: "sum", numbers: Float64Array.from(numbers) }))],
      sumInPlace: (floats) => line.ask({ kind: "sumInPlace", floats }),
      broadcast: (bytes) => line.ask({ kind: "broadcast", bytes }),
      fail: (reason) => line.ask({ kind: "fail", reason }).catch(() => false),
      close: () => line.close(),
    };
  } catch (error) {
    await line.close();
    throw error;
  }
}

async function requireKoffi(): Promise<void> {
  try {
    await import("koffi");
  } catch (error) {
    const reason = (error as Error).message.split("\n")[0];
    throw new UserError(
      `MPI is called through the optional package koffi, which cannot be loaded here (${reason}): run \`npm install koffi\``,
      { cause: error },
    );
  }
}

/** Throws a UserError where the library does not see the processes that the launcher started. */
function requireMatch(launcher: Launcher | null, size: number, version: string): void {
  if (!launcher || launcher.size === size) return;
  throw new UserError(
    `${launcher.name} started ${launcher.size} processes, but ${version} sees ${size === 1 ? "only this one" : size}: they do not belong together. ${
      launcher.library === null
        ? "Choose srun's --mpi so that it fits the library (srun --mpi=list), or start by the library's own mpirun"
        : `Start by the mpirun of ${version.replace(/ \S+$/, "")}, or name the launcher's library, such as --distributed ${launcher.library}`
    }`,
  );
}

/** Another rank on this host. */
interface Peer {
  readonly rank: number;
  readonly pid: number;
}

/** The ranks that run on this host, this one left out. */
async function findPeers(line: Line, rank: number, size: number): Promise<Peer[]> {
  const numbers = new Float64Array(2 * size);
  numbers[2 * rank] = hashBytes(new TextEncoder().encode(hostText()));
  numbers[2 * rank + 1] = process.pid;
  const all = await line.ask({ kind: "sum", numbers });
  const peers = Array.from({ length: size }, (_, k) => ({ rank: k, pid: all[2 * k + 1]! }));
  return peers.filter((peer) => peer.rank !== rank && all[2 * peer.rank] === all[2 * rank]);
}

/** What tells hosts apart, and containers whose processes do not see each other. */
function hostText(): string {
  const parts = [hostname()];
  try {
    parts.push(readFileSync("/proc/sys/kernel/random/boot_id", "utf8"), readlinkSync("/proc/self/ns/pid"));
  } catch {
    // Without them the name has to do.
  }
  return parts.join(" ");
}

interface Waiting {
  resolve(value: never): void;
  reject(error: Error): void;
}

/** The thread that calls MPI, seen from outside. */
class Line {
  peers: readonly Peer[] = [];
  private readonly worker: Worker;
  private readonly ended = new Int32Array(new SharedArrayBuffer(8));
  private readonly waiting: Waiting[] = [];
  private lost: Error | null = null;
  private readonly look: NodeJS.Timeout;
  private closing: Promise<void> | null = null;

  constructor(libraries: readonly MpiName[]) {
    // Compiled, even where this file is run as TypeScript: Node 20 starts no thread with that.
    const file = join(packageRoot(), "dist", "distributed", "mpi_thread.js");
    if (!existsSync(file)) throw new UserError(`MPI needs ${file}, which is not there; run npm run build`);
    const workerData: ThreadData = { libraries, ended: this.ended };
    this.worker = new Worker(file, { workerData, execArgv: [] });
    this.worker.unref();
    this.worker.on("message", (answer: Answer) => {
      const next = this.waiting.shift();
      if (this.waiting.length === 0) this.worker.unref();
      if ("value" in answer) next?.resolve(answer.value as never);
      else next?.reject(answer.isLoss ? new RankLostError(answer.error) : new UserError(answer.error));
    });
    this.worker.on("error", (error) => this.lose(error));
    this.look = setInterval(() => this.lookForPeers(), lookEvery);
    this.look.unref();
  }

  ask<K extends Request["kind"]>(request: Extract<Request, { kind: K }>): Promise<Answers[K]> {
    if (this.lost) return Promise.reject(this.lost);
    this.worker.ref();
    return new Promise<Answers[K]>((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.worker.postMessage(request);
    });
  }

  /** A rank that was killed says nothing, and the library may wait for it for ever. */
  private lookForPeers(): void {
    const gone = this.closing ? undefined : this.peers.find(({ pid }) => !isAlive(pid));
    if (!gone) return;
    clearInterval(this.look);
    this.ended[1] = gone.pid;
    Atomics.store(this.ended, 0, gone.rank + 1);
    const loss = new RankLostError(`rank ${gone.rank} (process ${gone.pid} on ${hostname()}) has ended`);
    setTimeout(() => this.lose(loss), noticePatience).unref();
  }

  private lose(error: Error): void {
    this.lost ??= error;
    for (const { reject } of this.waiting.splice(0)) reject(this.lost);
    this.worker.unref();
  }

  close(): Promise<void> {
    this.closing ??= this.leave();
    return this.closing;
  }

  private async leave(): Promise<void> {
    await this.ask({ kind: "leave" }).catch(() => {});
    clearInterval(this.look);
    const isFree = await Promise.race([
      this.worker.terminate().then(() => true),
      new Promise<false>((resolve) => setTimeout(resolve, 2000, false)),
    ]);
    // In a call that waits for a rank that is gone; Node would wait for the thread.
    if (!isFree) process.kill(process.pid, "SIGKILL");
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
