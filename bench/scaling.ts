/**
 * Measures on this machine what docs/scaling.md is made of, and writes results/scaling/scaling.json:
 * `npx tsx bench/scaling.ts`, or some of it by name (`train allReduce`). It takes about two minutes, in which nothing else should run; needs Open MPI, and root for
 * the two hosts with a slow cable between them.
 */
import { execFile, execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Found, Parts, Task } from "./rank.js";

/** What results/scaling/scaling.json holds. */
export interface Scaling {
  readonly date: string;
  readonly processor: string;
  readonly cores: number;
  readonly node: string;
  readonly library: string;
  readonly train: { readonly alone: readonly Found["train"][]; readonly together: readonly Found["train"][] };
  /** One rank of two threads, and two of one thread at the same time. */
  readonly parts: { readonly alone: readonly Parts[]; readonly together: readonly Parts[] };
  readonly allReduce: Found["allReduce"];
  readonly cable: { readonly megabits: number; readonly allReduce: Found["allReduce"] };
  readonly loader: readonly number[];
}

const rank = fileURLToPath(new URL("rank.ts", import.meta.url));
const out = new URL("../results/scaling/", import.meta.url);
const mib = 2 ** 20;

/** Runs a task alone, or on two ranks of this host by Open MPI; `words` go before the program. */
async function run<What extends keyof Found>(
  task: Task & { what: What },
  launch: readonly string[] = [],
): Promise<Found[What]> {
  const program = [process.execPath, "--import", "tsx", rank, JSON.stringify(task)];
  const [command, ...args] = [...launch, ...program];
  const { stdout } = await promisify(execFile)(command!, args);
  return JSON.parse(stdout.trim().split("\n").at(-1)!);
}

const twoRanks = ["mpirun.openmpi", "--allow-run-as-root", "--bind-to", "none", "-n", "2"];
const sizes = [0.0625, 0.25, 1, 4, 16, 64, 144].map((size) => size * mib);

/** Sums between two network namespaces whose cable carries so many bits a second. */
async function slowCable(megabits: number): Promise<Found["allReduce"]> {
  const directory = mkdtempSync(join(tmpdir(), "flybrick-scaling-"));
  const names = ["fly-x", "fly-y"];
  const address = (k: number): string => `10.213.8.${k + 1}`;
  const ip = (words: string): void => void execFileSync("ip", words.split(" "));
  const enter = (k: number, command: string): string =>
    `exec ip netns exec ${names[k]} unshare --uts sh -c "hostname ${names[k]}; ${command}"`;
  try {
    for (const name of names) ip(`netns add ${name}`);
    ip(`link add cable0 netns ${names[0]} type veth peer name cable1 netns ${names[1]}`);
    names.forEach((name, k) => {
      ip(`-n ${name} addr add ${address(k)}/24 dev cable${k}`);
      ip(`-n ${name} link set lo up`);
      ip(`-n ${name} link set cable${k} up`);
      const rate = `qdisc add dev cable${k} root tbf rate ${megabits}mbit burst 256kb latency 50ms`;
      execFileSync("ip", ["netns", "exec", name, "tc", ...rate.split(" ")]);
    });
    const agent = join(directory, "agent.sh");
    writeFileSync(
      agent,
      `#!/bin/sh\nwhile [ "\${1#-}" != "$1" ]; do shift; done\nhost=$1; shift\ncase $host in ${address(0)}) ${enter(0, "$*")} ;; *) ${enter(1, "$*")} ;; esac\n`,
    );
    chmodSync(agent, 0o755);
    const task = { what: "allReduce", library: "openmpi", threads: 1, batchSize: 1, steps: 5 } as const;
    const file = join(directory, "task.sh");
    const json = JSON.stringify({ ...task, sizes: [0.25, 1, 4, 16].map((size) => size * mib) });
    writeFileSync(file, `#!/bin/sh\nexec ${process.execPath} --import tsx ${rank} '${json}'\n`);
    chmodSync(file, 0o755);
    const mpirun = `mpirun.openmpi --allow-run-as-root --mca plm_rsh_agent ${agent} -H ${address(0)}:1,${address(1)}:1 -n 2 ${file}`;
    const { stdout } = await promisify(execFile)("sh", ["-c", enter(0, mpirun)]);
    return JSON.parse(stdout.trim().split("\n").at(-1)!);
  } finally {
    for (const name of names) execFileSync("ip", ["netns", "del", name]);
    rmSync(directory, { recursive: true, force: true });
  }
}

const library = "openmpi";
const step = { batchSize: 128, steps: 4 } as const;
const file = new URL("scaling.json", out);
/** What is measured now; the rest stays as it was. */
const only = process.argv.slice(2);
const kept: Partial<Scaling> = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
async function measure<Key extends keyof Scaling>(
  key: Key,
  make: () => Promise<Scaling[Key]>,
): Promise<Scaling[Key]> {
  const isLeftOut = only.length > 0 && !only.includes(key);
  return isLeftOut ? kept[key]! : make();
}

/** In turns, so that the machine's moods meet both. */
async function races(): Promise<Scaling["train"]> {
  const [alone, together]: Found["train"][][] = [[], []];
  for (let turn = 0; turn < 2; turn++) {
    alone!.push(await run({ what: "train", threads: 2, ...step }));
    together!.push(await run({ what: "train", threads: 1, library, ...step }, twoRanks));
  }
  return { alone: alone!, together: together! };
}

const result: Scaling = {
  date: new Date().toISOString().slice(0, 10),
  processor: cpus()[0]!.model.trim(),
  cores: cpus().length,
  node: process.version,
  library: execFileSync("mpirun.openmpi", ["--version"], { encoding: "utf8" })
    .split("\n")[0]!
    .replace(/^.*?([\d.]+)$/, "Open MPI $1"),
  train: await measure("train", races),
  allReduce: await measure("allReduce", () =>
    run({ what: "allReduce", threads: 1, batchSize: 1, steps: 7, library, sizes }, twoRanks),
  ),
  cable: await measure("cable", async () => ({ megabits: 1000, allReduce: await slowCable(1000) })),
  parts: await measure("parts", async () => ({
    alone: await run({ what: "parts", threads: 2, ...step }),
    together: await run({ what: "parts", threads: 1, library, batchSize: 64, steps: 5 }, twoRanks),
  })),
  loader: await measure("loader", () => run({ what: "loader", threads: 2, batchSize: 128, steps: 7 })),
};
mkdirSync(out, { recursive: true });
writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
