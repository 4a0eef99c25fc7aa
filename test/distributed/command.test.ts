import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeCheckpoint } from "../../src/train/checkpoint.js";
import { decodeSafetensors } from "../../src/train/safetensors.js";
import { writeFewImages } from "../support/few_images.js";
import { bin, implementations, type Job, launcher, mpirun, processesOf, start } from "../support/mpi.js";

const model = fileURLToPath(new URL("../support/dropout_net.js", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "flybrick-mpirun-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const path = (name: string): string => join(work, name);
const flybrick = [process.execPath, bin, "train"] as const;
const settings = [model, "--data-dir", path("data"), "--batch-size", "20", "--recipe", "fast", "--json"];

const short = [...settings, "--epochs", "12", "--checkpoint-every", "3"];

beforeAll(async () => {
  await writeFewImages(path("data"), 210, 50);
  const { code } = await start(flybrick[0], [...flybrick.slice(1), ...short, "--out", path("whole")]).ended;
  expect(code).toBe(0);
}, 120_000);

function events(stdout: string): Record<string, unknown>[] {
  return stdout.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []));
}

/** Largest difference of the weights that two runs left. */
function difference(one: string, other: string): number {
  const values = (run: string): Float32Array[] => {
    const file = join(path(run), "model.safetensors");
    const { tensors } = decodeSafetensors(readFileSync(file), file);
    return [...tensors.values()].map(({ data }) => new Float32Array(data.slice().buffer));
  };
  const [a, b] = [values(one), values(other)];
  return Math.max(...a.flatMap((part, k) => [...part].map((value, i) => Math.abs(value - b[k]![i]!))));
}

/** Waits for the job to print this. */
async function until(job: Job, text: string): Promise<void> {
  while (!job.stdout().includes(text)) {
    const ended = await Promise.race([job.ended, sleep(20, null)]);
    if (ended && !ended.stdout.includes(text)) throw new Error(`it ended: ${ended.stderr}`);
  }
}

describe.each(implementations)("mpirun flybrick train under %s", { timeout: 240_000 }, (library) => {
  const others = implementations.filter((name) => name !== library);

  test("a rank that is killed ends all others with a sentence, and fewer go on with the same data", async () => {
    const run = `killed-${library}`;
    const job = mpirun(library, 3, ...flybrick, ...short, "--distributed", "mpi", "--out", path(run));
    await until(job, '"epoch":2,"step"');
    const pids = processesOf(path(run));
    expect([...pids.keys()].sort()).toEqual([0, 1, 2]);
    process.kill(pids.get(1)!, "SIGKILL");
    // In ten seconds Open MPI would end them without a word.
    const { code, stdout, stderr } = await job.ended;
    expect(code).not.toBe(0);
    expect(processesOf(path(run)).size).toBe(0);
    const sentence = `rank 1 (process ${pids.get(1)} on ${hostname()}) has ended`;
    if (library === "openmpi") {
      expect(events(stdout).at(-1)).toMatchObject({
        event: "error",
        message: expect.stringContaining(sentence),
      });
      expect(stderr).toMatch(/flybrick: rank 2: .*rank 1 \(process/);
    } else {
      // MPICH's launcher kills the others at once and says so itself, naming the one whose end it heard of first.
      expect(stdout).toContain("BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES");
      const [, pid] = /PID (\d+) RUNNING AT/.exec(stdout) ?? [];
      expect([...pids.values()]).toContain(Number(pid));
    }

    const last = readdirSync(join(path(run), "checkpoints"))
      .sort()
      .at(-1)!;
    const { state } = decodeCheckpoint(readFileSync(join(path(run), "checkpoints", last)), last);
    expect(state.steps).toBeGreaterThan(10);
    expect(state.steps).toBeLessThan(12 * 11);
    const again = await mpirun(
      library,
      2,
      ...flybrick,
      "--resume",
      path(run),
      "--json",
      "--distributed",
      "mpi",
    ).ended;
    expect(events(again.stdout)[0]).toMatchObject({ event: "resume", steps: state.steps });
    expect(events(again.stdout).at(-1)).toMatchObject({ event: "done", stopped: false });
    expect(difference(run, "whole")).toBeLessThan(1e-5);
    expect(readdirSync(path(run)).sort()).toEqual(readdirSync(path("whole")).sort());
  });

  test.runIf(others.length > 0)("a launcher of another library is noticed", async () => {
    const { code, stdout, stderr } = await mpirun(
      others[0]!,
      2,
      ...flybrick,
      ...settings,
      "--distributed",
      library,
      "--out",
      path("never"),
    ).ended;
    expect(code).not.toBe(0);
    const title = { openmpi: "Open MPI", mpich: "MPICH" };
    expect(`${stdout}${stderr}`).toContain(
      `${title[others[0]!]}'s mpirun started 2 processes, but ${title[library]}`,
    );
    expect(`${stdout}${stderr}`).toContain(`name the launcher's library, such as --distributed ${others[0]}`);
  });

  test("Ctrl-C stops all after the same step, with a checkpoint", async () => {
    const run = path(`stopped-${library}`);
    // Open MPI passes Ctrl-C on only after the patience that it is given here: many epochs, so that the run is not over by then.
    const options = [model, "--sample", "--batch-size", "2", "--epochs", "1000", "--json"];
    const job = mpirun(library, 2, ...flybrick, ...options, "--distributed", "mpi", "--out", run);
    await until(job, '"event":"progress"');
    job.kill("SIGINT");
    const { stderr } = await job.ended;
    expect(stderr).toContain("Stopping after this step");
    // What is printed after Ctrl-C may be lost with the launcher; the files are not.
    const files = readdirSync(run);
    for (const name of ["checkpoints", "config.json", "model.safetensors"]) expect(files).toContain(name);
    const newest = readdirSync(join(run, "checkpoints")).sort().at(-1)!;
    const { state } = decodeCheckpoint(readFileSync(join(run, "checkpoints", newest)), newest);
    expect(state.steps).toBeGreaterThan(0);
    expect(state.finished).toBe(false);
    expect(state.epochs.length).toBeLessThan(1000);
  });

  test("two hosts with addresses of their own give what one gives", async () => {
    const hosts = twoHosts();
    if (!hosts) return;
    try {
      const options = [...settings, "--epochs", "3", "--distributed", "mpi", "--out"];
      const run = await hosts.run(library, [...flybrick, ...options, path(`hosts-${library}`)]);
      expect(run.stderr).toContain("2 ranks, 1 of them on this host");
      expect(events(run.stdout).at(-1)).toMatchObject({ event: "done", stopped: false });
      expect((await mpirun(library, 2, ...flybrick, ...options, path(`host-${library}`)).ended).code).toBe(0);
      expect(difference(`hosts-${library}`, `host-${library}`)).toBe(0);
    } finally {
      hosts.remove();
    }
  });
});

test.runIf(implementations.length > 0)(
  "the same mistake of all ranks is said once",
  { timeout: 240_000 },
  async () => {
    const { code, stdout, stderr } = await mpirun(
      implementations[0]!,
      2,
      ...flybrick,
      ...settings,
      "--batch-size",
      "5000",
      "--distributed",
      "mpi",
      "--out",
      path("never"),
    ).ended;
    expect(code).not.toBe(0);
    expect(`${stdout}${stderr}`.match(/batch size 5000 is larger than the data set/g)).toHaveLength(1);
  },
);

interface Hosts {
  run(library: (typeof implementations)[number], program: readonly string[]): Job["ended"];
  remove(): void;
}

/** Two network namespaces with a cable between them; a launch agent that enters them stands in for ssh. */
function twoHosts(): Hosts | undefined {
  const id = process.pid;
  const names = [`fly-a${id}`, `fly-b${id}`] as const;
  const addresses = ["10.213.7.1", "10.213.7.2"] as const;
  const ip = (...args: string[]): void => void execFileSync("ip", args, { stdio: "pipe" });
  const remove = (): void => {
    for (const name of names) {
      try {
        ip("netns", "del", name);
      } catch {
        // It was never made.
      }
    }
  };
  try {
    for (const name of names) ip("netns", "add", name);
    ip(
      "link",
      "add",
      "cable0",
      "netns",
      names[0],
      "type",
      "veth",
      "peer",
      "name",
      "cable1",
      "netns",
      names[1],
    );
    names.forEach((name, k) => {
      ip("-n", name, "addr", "add", `${addresses[k]}/24`, "dev", `cable${k}`);
      ip("-n", name, "link", "set", "lo", "up");
      ip("-n", name, "link", "set", `cable${k}`, "up");
    });
  } catch (error) {
    remove();
    if (process.env.FLYBRICK_REQUIRE_MPI) throw error;
    console.warn(`not tested: no network namespaces here, ${(error as Error).message.split("\n")[0]}`);
    return undefined;
  }
  const enter = (k: 0 | 1, command: string): string =>
    `exec ip netns exec ${names[k]} unshare --uts sh -c "hostname ${names[k]}; ${command}"`;
  const agent = path("agent.sh");
  writeFileSync(
    agent,
    `#!/bin/sh
# As ssh is called: options, a host, a command.
while [ "\${1#-}" != "$1" ]; do shift; done
host=$1
shift
case $host in
  ${addresses[0]}) ${enter(0, "$*")} ;;
  ${addresses[1]}) ${enter(1, "$*")} ;;
esac
`,
  );
  chmodSync(agent, 0o755);
  return {
    remove,
    run(library, program) {
      const [mpi, ...words] = launcher(library, 2);
      const where =
        library === "openmpi"
          ? ["--mca", "plm_rsh_agent", agent, "-H", `${addresses[0]}:1,${addresses[1]}:1`]
          : ["-launcher", "ssh", "-launcher-exec", agent, "-hosts", addresses.join(",")];
      return start("sh", ["-c", enter(0, [mpi, ...where, ...words, ...program].join(" "))]).ended;
    },
  };
}
