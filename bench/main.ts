/**
 * Times training steps, matrix products and convolutions, and races them against PyTorch or a TypeScript library: both
 * sides in processes of their own, a few steps of one, then a few of the other, the idle one blocked.
 */
import { type ChildProcess, execFileSync, fork, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import { type Layout, PyTorch, type Turn, type Work } from "./pytorch.js";
import type { Command as WorkerCommand } from "./worker.js";

interface Task {
  readonly name: string;
  readonly work: Work;
  /** Steps in a turn. */
  readonly steps: number;
  /** Steps of either side before the first turn (2 by default): where a step is short, until its JavaScript is compiled. */
  readonly warmUp?: number;
}

interface WorkerAnswer {
  error?: string;
  flop: number;
  device: string;
  seconds: number[];
  pageFaults: number;
  peakMemoryMB: number;
}

type TypeScriptPeer = "tfjs" | "jax-js";
type Peer = "pytorch" | TypeScriptPeer;

interface OwnSide {
  readonly device: "cpu" | "wasm" | "webgpu";
  readonly threads?: number;
}

const passes = ["forward", "inputGradient", "weightGradient"] as const;
const layout: Layout = "channels-last";

const tasks: Task[] = [
  { name: "alexnet-step", work: { what: "alexnet-step", batchSize: 128, layout }, steps: 1 },
  { name: "lenet-step", work: { what: "lenet-step", batchSize: 256, layout }, steps: 20, warmUp: 400 },
  // What TypeScript's libraries can do in a minute.
  { name: "lenet-small-step", work: { what: "lenet-step", batchSize: 32, layout }, steps: 2 },
  { name: "sgemm-512", work: { what: "sgemm", m: 512, n: 512, k: 512 }, steps: 2 },
  { name: "sgemm-2048", work: { what: "sgemm", m: 2048, n: 2048, k: 2048 }, steps: 3 },
  { name: "sgemm-128x4096x6400", work: { what: "sgemm", m: 128, n: 4096, k: 6400 }, steps: 5 },
  ...[1, 2, 3, 4, 5].flatMap((layer) =>
    passes
      .filter((pass) => layer > 1 || pass !== "inputGradient")
      .map(
        (pass): Task => ({
          name: `conv${layer}-${pass}`,
          work: { what: "conv", layer, pass, batchSize: 128, layout },
          steps: 2,
        }),
      ),
  ),
];

class Worker {
  private constructor(
    private readonly child: ChildProcess,
    readonly flop: number,
    readonly device: string,
  ) {}

  /** Our own side, or that of a peer. */
  static async start(
    { work, warmUp }: Task,
    by: { peer: TypeScriptPeer; device: OwnSide["device"] } | OwnSide,
  ): Promise<Worker> {
    const peer = "peer" in by ? by.peer : undefined;
    const file = peer === undefined ? "./worker.ts" : "./peer_worker.js";
    const child = fork(
      fileURLToPath(new URL(file, import.meta.url)),
      peer === undefined ? [] : [peer, by.device],
      peer === undefined ? { execArgv: ["--import", "tsx"] } : {},
    );
    const { flop, device } = await Worker.ask(child, {
      cmd: "setup",
      work,
      ...(warmUp && { warmUp }),
      ...("peer" in by ? {} : by),
    });
    return new Worker(child, flop, device);
  }

  run(steps: number): Promise<Turn> {
    return Worker.ask(this.child, { cmd: "run", steps });
  }

  async peakMemoryMB(): Promise<number> {
    return (await Worker.ask(this.child, { cmd: "memory" })).peakMemoryMB;
  }

  close(): void {
    this.child.kill();
  }

  private static ask(child: ChildProcess, command: WorkerCommand): Promise<WorkerAnswer> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null): void =>
        reject(new Error(`the benchmark's process ended with code ${code}`));
      child.once("exit", onExit);
      child.once("message", (answer: WorkerAnswer) => {
        child.off("exit", onExit);
        if (answer.error) reject(new Error(answer.error));
        else resolve(answer);
      });
      child.send(command);
    });
  }
}

/** Measures the processor's multiply-add peak with a program of its own; null where no compiler is. */
function peakMeter(): (() => number) & { close(): void } {
  const folder = mkdtempSync(join(tmpdir(), "flybrick-peak-"));
  const program = join(folder, "fma_peak");
  const source = fileURLToPath(new URL("./fma_peak.cc", import.meta.url));
  const built = spawnSync(process.env.CXX ?? "g++", [
    "-O3",
    "-march=native",
    "-pthread",
    source,
    "-o",
    program,
  ]);
  const measure = (): number =>
    built.status === 0 ? Number(execFileSync(program, [`${availableParallelism()}`]).toString()) : Number.NaN;
  return Object.assign(measure, { close: () => rmSync(folder, { recursive: true, force: true }) });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

interface Side {
  run(steps: number): Promise<Turn>;
  peakMemoryMB(): Promise<number>;
  close(): unknown;
}

interface Rival {
  readonly side: Side;
  readonly name: string;
  /** Of PyTorch. */
  readonly layout?: Layout;
}

/** PyTorch as it is installed and tuned, in both layouts where layouts matter: the better one of each counts. */
async function rivals(task: Task, peer: Peer, device: OwnSide["device"]): Promise<Rival[]> {
  if (peer !== "pytorch") return [{ side: await Worker.start(task, { peer, device }), name: peer }];
  const layouts: Layout[] = task.work.what === "sgemm" ? ["contiguous"] : ["contiguous", "channels-last"];
  const started: Rival[] = [];
  for (const settings of ["tuned", "default"] as const) {
    for (const layout of layouts) {
      const side = await PyTorch.find({ tuned: settings === "tuned" });
      if ("missing" in side) throw new Error(side.missing);
      await side.setup({ ...task.work, layout } as Work, task.warmUp);
      started.push({ side, name: `PyTorch, ${settings}`, layout });
    }
  }
  return started;
}

/** What one side did in all turns. */
class Tally {
  readonly times: number[] = [];
  readonly #faults: number[] = [];
  readonly #processor: number[] = [];

  constructor(private readonly side: Side) {}

  async turn(steps: number): Promise<void> {
    const { seconds, pageFaults, processorSeconds } = await this.side.run(steps);
    if (processorSeconds !== undefined) this.#processor.push(processorSeconds / steps);
    this.times.push(median(seconds));
    this.#faults.push(pageFaults / steps);
  }

  async figures(): Promise<Figures> {
    return {
      milliseconds: median(this.times) * 1000,
      ...(this.#processor.length > 0 && { processorMilliseconds: median(this.#processor) * 1000 }),
      pageFaults: median(this.#faults),
      peakMemoryMB: await this.side.peakMemoryMB(),
    };
  }
}

interface Figures {
  milliseconds: number;
  /** Of all threads, which other programs disturb less; PyTorch does not tell it. */
  processorMilliseconds?: number;
  /** A step's, once it is warm. */
  pageFaults: number;
  peakMemoryMB: number;
}

interface Result extends Figures {
  name: string;
  device: string;
  batchSize?: number;
  imagesPerSecond?: number;
  gflops: number;
  peakGflops: number;
  shareOfPeak: number;
  turns: number;
  rivals: (Figures & { name: string; layout?: Layout; ratio: number })[];
}

async function measure(
  task: Task,
  turns: number,
  own: OwnSide,
  against: Peer | undefined,
  peak: () => number,
): Promise<Result> {
  const worker = await Worker.start(task, own);
  const ours = new Tally(worker);
  const theirs = (against ? await rivals(task, against, own.device) : []).map((rival) => ({
    ...rival,
    record: new Tally(rival.side),
  }));
  const peaks: number[] = [];
  for (let turn = 0; turn < turns; turn++) {
    peaks.push(peak());
    await ours.turn(task.steps);
    for (const { record } of theirs) await record.turn(task.steps);
  }
  const figures = await ours.figures();
  const seconds = figures.milliseconds / 1000;
  const gflops = worker.flop / seconds / 1e9;
  const result: Result = {
    name: task.name,
    device: worker.device,
    ...("batchSize" in task.work && { batchSize: task.work.batchSize }),
    ...(task.name.endsWith("-step") && {
      imagesPerSecond: (task.work as { batchSize: number }).batchSize / seconds,
    }),
    ...figures,
    gflops,
    peakGflops: median(peaks),
    shareOfPeak: gflops / median(peaks),
    turns,
    rivals: [],
  };
  for (const name of new Set(theirs.map((one) => one.name))) {
    const [best] = theirs
      .filter((one) => one.name === name)
      .sort((a, b) => median(a.record.times) - median(b.record.times));
    if (!best) continue;
    result.rivals.push({
      name,
      ...(best.layout && { layout: best.layout }),
      ...(await best.record.figures()),
      // Turn by turn, so that a machine that slows down slows both.
      ratio: median(ours.times.map((own, turn) => best.record.times[turn]! / own)),
    });
  }
  worker.close();
  for (const { side } of theirs) await side.close();
  return result;
}

/** A line for us, and one for each rival. */
function table(result: Result): string {
  const line = (name: string, figures: Figures, rest: readonly string[]): string =>
    [
      name.padEnd(24),
      figures.milliseconds.toFixed(1).padStart(9),
      (figures.processorMilliseconds?.toFixed(1) ?? "").padStart(9),
      figures.peakMemoryMB.toFixed(0).padStart(7),
      figures.pageFaults.toFixed(0).padStart(7),
      ...rest,
    ].join("  ");
  const images = result.imagesPerSecond?.toFixed(1) ?? "";
  const lines = [
    line(result.name, result, [
      images.padStart(9),
      result.gflops.toFixed(0).padStart(7),
      `${(result.shareOfPeak * 100).toFixed(0)} %`.padStart(6),
    ]),
  ];
  for (const { name, layout, ratio, ...figures } of result.rivals)
    lines.push(
      line(`  ${name}`, figures, [
        [`${ratio.toFixed(2)} times ours`, layout].flatMap((x) => x ?? []).join(", "),
      ]),
    );
  return lines.join("\n");
}

const program = new Command("bench")
  .description("times training steps, matrix products and convolutions")
  .addOption(
    new Option("--against <peer>", "race a peer, interleaved").choices(["pytorch", "tfjs", "jax-js"]),
  )
  .addOption(new Option("--device <name>", "our side").choices(["cpu", "wasm", "webgpu"]).default("cpu"))
  .option("--threads <n>", "of our side (default: all cores)", Number)
  .option("--layers", "only AlexNet's convolutions, by layer and pass; GFLOP/s are those of the direct sum")
  .option("--only <text>", "tasks whose name contains it")
  .option("--turns <n>", "turns of each side", Number, 5)
  .option("--json", "one JSON object a line and nothing else")
  .parse();
const flags = program.opts<{
  device: OwnSide["device"];
  threads?: number;
  against?: Peer;
  layers?: true;
  only?: string;
  turns: number;
  json?: true;
}>();
const print = (text: string): void => {
  if (!flags.json) console.log(text);
};

const peak = peakMeter();
try {
  print(
    `${cpus()[0]?.model.trim()}, ${availableParallelism()} threads, Node ${process.version}, medians of ${flags.turns} turns`,
  );
  print(`${"".padEnd(24)}         ms  processor       MB   faults   images/s  GFLOP/s  of peak`);
  const { device, threads } = flags;
  const isTypeScript = flags.against !== undefined && flags.against !== "pytorch";
  const chosen = tasks.filter(
    ({ name, work }) =>
      name.includes(flags.only ?? "") &&
      (!flags.layers || work.what === "conv") &&
      // Nothing else ends in a minute there.
      (!isTypeScript || name === "lenet-small-step" || (device === "webgpu" && name === "sgemm-512")),
  );
  const own = { device, ...(threads !== undefined && { threads }) };
  for (const task of chosen) {
    const result = await measure(task, flags.turns, own, flags.against, peak);
    print(`${task.name}: ${result.device}`);
    console.log(flags.json ? JSON.stringify(result) : table(result));
  }
} catch (error) {
  console.error(`bench: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  peak.close();
}
// The sides of a race that failed would wait for ever.
process.exit();
