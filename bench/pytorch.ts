/**
 * PyTorch as a race partner: a Python process that does one thing at a time and sleeps in between, so that a
 * benchmark can take turns (ours, theirs, ours, theirs) on the same cores.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export type Layout = "contiguous" | "channels-last";

export type Work =
  | { what: "alexnet-step" | "lenet-step"; batchSize: number; layout: Layout }
  | { what: "sgemm"; m: number; n: number; k: number }
  | {
      what: "conv";
      /** Which of AlexNet's five convolutions, from 1. */
      layer: number;
      pass: "forward" | "inputGradient" | "weightGradient";
      batchSize: number;
      layout: Layout;
    };

/** What a side tells of some steps in a row. */
export interface Turn {
  /** Of each step. */
  readonly seconds: readonly number[];
  /** Minor ones, of all steps together. */
  readonly pageFaults: number;
  /** Of all threads and steps together, which other programs disturb less; PyTorch's side does not tell it. */
  readonly processorSeconds?: number;
}

export interface PyTorchOptions {
  /** The fastest settings we know, or (false) PyTorch as installed: plain environment, its own thread count. */
  tuned?: boolean;
  /** Only when tuned; every core by default. */
  threads?: number;
  python?: string;
}

const HOW_TO_INSTALL = "install it with: apt-get install python3-torch libopenblas0-openmp";
const SCRIPT = fileURLToPath(new URL("./pytorch.py", import.meta.url));

/** Debian keeps OpenBLAS's OpenMP build, which shares PyTorch's thread pool, in a directory of its own. */
function openblasDirectory(): string | undefined {
  const libraries = "/usr/lib";
  if (!existsSync(libraries)) return undefined;
  return readdirSync(libraries)
    .map((triplet) => `${libraries}/${triplet}/openblas-openmp`)
    .find((directory) => existsSync(directory));
}

function tunedEnvironment(threads: number): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    OMP_NUM_THREADS: `${threads}`,
    OPENBLAS_NUM_THREADS: `${threads}`,
    // Waiting threads sleep instead of spinning in the other side's turn.
    OMP_WAIT_POLICY: "PASSIVE",
    // Memory stays with the process, in huge pages: touching fresh pages is PyTorch's largest cost here.
    MALLOC_MMAP_MAX_: "0",
    MALLOC_TRIM_THRESHOLD_: "20000000000",
    MALLOC_TOP_PAD_: "67108864",
    GLIBC_TUNABLES: "glibc.malloc.hugetlb=1",
  };
  // OpenBLAS finds the best kernels for this machine itself.
  delete environment.OPENBLAS_CORETYPE;
  delete environment.OPENBLAS_L2_SIZE;
  const openblas = openblasDirectory();
  if (openblas) {
    environment.LD_LIBRARY_PATH = [openblas, process.env.LD_LIBRARY_PATH].filter(Boolean).join(":");
  }
  return environment;
}

/** One process. Peak memory is the process's, so start one for each figure of memory. */
export class PyTorch {
  version = "";
  threads = 0;

  readonly #process: ChildProcess;
  readonly #waiting: { resolve(answer: Answer): void; reject(error: Error): void }[] = [];
  #complaints = "";
  /** Why no more answers will come. */
  #ended: Error | undefined;

  private constructor(process: ChildProcess) {
    this.#process = process;
    createInterface({ input: process.stdout! }).on("line", (line) => this.#receive(line));
    process.stderr!.on("data", (chunk) => {
      this.#complaints = `${this.#complaints}${chunk}`.slice(-2000);
    });
    process.stdin!.on("error", () => {}); // its end is told by "close"
    process.on("error", (error) => this.#end(error));
    process.on("close", (code, signal) =>
      this.#end(new Error(`PyTorch ended (${signal ?? code}). ${this.#complaints}`.trim())),
    );
  }

  static async find(options: PyTorchOptions = {}): Promise<PyTorch | { missing: string }> {
    const { tuned = true, threads = availableParallelism(), python = "/usr/bin/python3" } = options;
    const child = spawn(python, [SCRIPT, ...(tuned ? [`${threads}`] : [])], {
      env: tuned ? tunedEnvironment(threads) : process.env,
      stdio: ["pipe", "pipe", "pipe"],
    });
    const pytorch = new PyTorch(child);
    try {
      const hello = await pytorch.#answer();
      pytorch.version = hello.version!;
      pytorch.threads = hello.threads!;
      return pytorch;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const why =
        code === "ENOENT"
          ? `there is no ${python}`
          : message.includes("No module named 'torch'")
            ? `${python} has no PyTorch`
            : message.trim().split("\n").at(-1);
      return { missing: `PyTorch is missing (${why}); ${HOW_TO_INSTALL}.` };
    }
  }

  /** Builds the work and warms up; gives the floating-point operations of one step, where they are plain to count. */
  async setup(work: Work, warmUp = 2): Promise<number | undefined> {
    return (await this.#ask({ cmd: "setup", ...work, warmUp })).flop ?? undefined;
  }

  async run(steps: number): Promise<Turn> {
    const { seconds, pageFaults } = await this.#ask({ cmd: "run", steps });
    return { seconds: seconds!, pageFaults: pageFaults! };
  }

  async peakMemoryMB(): Promise<number> {
    return (await this.#ask({ cmd: "memory" })).peakMemoryMB!;
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    const closed = new Promise((resolve) => this.#process.once("close", resolve));
    this.#process.stdin!.end();
    await closed;
  }

  #ask(command: object): Promise<Answer> {
    this.#process.stdin!.write(`${JSON.stringify(command)}\n`);
    return this.#answer();
  }

  #answer(): Promise<Answer> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #receive(line: string): void {
    const answer = JSON.parse(line) as Answer;
    const next = this.#waiting.shift();
    if (answer.error) next?.reject(new Error(`PyTorch: ${answer.error}`));
    else next?.resolve(answer);
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#ended);
  }
}

interface Answer {
  error?: string;
  version?: string;
  threads?: number;
  flop?: number | null;
  seconds?: number[];
  pageFaults?: number;
  peakMemoryMB?: number;
}
