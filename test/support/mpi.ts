import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Debian's implementations, whose launchers have names of their own; where CI sets FLYBRICK_REQUIRE_MPI, a missing one is a failure. */
export const implementations = (["openmpi", "mpich"] as const).filter((name) => {
  if (existsSync(`/usr/bin/mpirun.${name}`)) return true;
  if (process.env.FLYBRICK_REQUIRE_MPI)
    throw new Error(`mpirun.${name} is missing: apt-get install openmpi-bin libopenmpi-dev mpich`);
  console.warn(`not tested: mpirun.${name} is missing`);
  return false;
});
export type Implementation = (typeof implementations)[number];

export const bin = fileURLToPath(new URL("../../bin/flybrick.js", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Job {
  readonly ended: Promise<Ended>;
  /** What it has printed so far. */
  stdout(): string;
  kill(signal: NodeJS.Signals): void;
}

/** Starts a command; none of it outlives the test. */
export function start(command: string, args: readonly string[]): Job {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (text) => {
    stdout += text;
  });
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  return {
    ended: new Promise((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr }))),
    stdout: () => stdout,
    kill: (signal) => void child.kill(signal),
  };
}

/** The words before the program, for so many ranks on this host. */
export function launcher(name: Implementation, ranks: number): [string, ...string[]] {
  const root = process.getuid?.() === 0 ? ["--allow-run-as-root"] : [];
  // Where one is lost, or on Ctrl-C, Open MPI kills the others after 1 s, which is short on a busy machine; it waits as long before it passes Ctrl-C on.
  const options =
    name === "openmpi" ? [...root, "--oversubscribe", "--mca", "odls_base_sigkill_timeout", "10"] : [];
  return [`/usr/bin/mpirun.${name}`, ...options, "-n", String(ranks)];
}

export function mpirun(name: Implementation, ranks: number, ...program: readonly string[]): Job {
  const [command, ...args] = launcher(name, ranks);
  return start(command, [...args, ...program]);
}

/** Process numbers by rank, of those that were started with this word among their arguments. */
export function processesOf(word: string): Map<number, number> {
  const lines = execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" }).split("\n");
  const found = new Map<number, number>();
  for (const line of lines) {
    const [pid, program, ...args] = line.trim().split(/\s+/);
    if (!program?.endsWith("node") || !args.includes(word)) continue;
    const environment = execFileSync("cat", [`/proc/${pid}/environ`], { encoding: "utf8" });
    const rank = /(?:^|\0)(?:OMPI_COMM_WORLD_RANK|PMI_RANK)=(\d+)/.exec(environment)?.[1];
    if (rank !== undefined) found.set(Number(rank), Number(pid));
  }
  return found;
}
