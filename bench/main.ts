/**
 * Times training steps, matrix products and convolutions, and races them against PyTorch: both sides in processes
 * of their own, a few steps of one, then a few of the other, the idle one blocked.
 */
import { type ChildProcess, execFileSync, fork, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import { type Layout, PyTorch, type Work } from "./pytorch.js";
import type { Command as WorkerCommand } from "./worker.js";

interface Task {
  readonly name: string;
  readonly work: Work;
  /** Steps in a turn, and turns. */
  readonly steps: number;
}

interface WorkerAnswer {
  error?: string;
  flop: number;
  device: string;
  seconds: number[];
  peakMemoryMB: number;
}

const passes = ["forward", "inputGradient", "weightGradient"] as const;
const layout: Layout = "channels-last";

const tasks: Task[] = [
  { name: "alexnet-step", work: { what: "alexnet-step", batchSize: 128, layout }, steps: 1 },
  { name: "lenet-step", work: { what: "lenet-step", batchSize: 256, layout }, steps: 20 },
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

  static async start(work: Work): Promise<Worker> {
    const child = fork(fileURLToPath(new URL("./worker.ts", import.meta.url)), {
      execArgv: ["--import", "tsx"],
    });
    const { flop, device } = await Worker.ask(child, { cmd: "setup", work });
    return new Worker(child, flop, device);
  }

  async run(steps: number): Promise<number[]> {
    return (await Worker.ask(this.child, { cmd: "run", steps })).seconds;
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

/** The rivals of one task: PyTorch in both layouts where layouts matter, so that its better one counts. */
async function rivals(task: Task, tuned: boolean): Promise<PyTorch[]> {
  const layouts: Layout[] = task.work.what === "sgemm" ? ["contiguous"] : ["contiguous", "channels-last"];
  const started: PyTorch[] = [];
  for (const one of layouts) {
    const pytorch = await PyTorch.find({ tuned });
    if ("missing" in pytorch) throw new Error(pytorch.missing);
    await pytorch.setup({ ...task.work, layout: one } as Work);
    started.push(pytorch);
  }
  return started;
}

async function measure(
  task: Task,
  turns: number,
  against: boolean,
  tuned: boolean,
  peak: () => number,
): Promise<Record<string, unknown>> {
  const ours = await Worker.start(task.work);
  const theirs = against ? await rivals(task, tuned) : [];
  const times: number[] = [];
  const theirTimes: number[][] = theirs.map(() => []);
  const peaks: number[] = [];
  for (let turn = 0; turn < turns; turn++) {
    peaks.push(peak());
    times.push(median(await ours.run(task.steps)));
    for (const [i, rival] of theirs.entries()) theirTimes[i]!.push(median(await rival.run(task.steps)));
  }
  const seconds = median(times);
  const gflops = ours.flop / seconds / 1e9;
  const result: Record<string, unknown> = { name: task.name };
  if ("batchSize" in task.work) result.batchSize = task.work.batchSize;
  if (task.name.endsWith("-step"))
    result.imagesPerSecond = (task.work as { batchSize: number }).batchSize / seconds;
  Object.assign(result, {
    milliseconds: seconds * 1000,
    gflops,
    peakGflops: median(peaks),
    shareOfPeak: gflops / median(peaks),
    turns,
    peakMemoryMB: await ours.peakMemoryMB(),
  });
  if (theirs.length > 0) {
    const medians = theirTimes.map(median);
    const best = medians.indexOf(Math.min(...medians));
    // Turn by turn, so that a machine that slows down slows both.
    result.ratioToPyTorch = median(times.map((own, turn) => theirTimes[best]![turn]! / own));
    result.pytorchMilliseconds = medians[best]! * 1000;
    result.pytorchLayout = theirs.length > 1 ? ["contiguous", "channels-last"][best] : "contiguous";
    result.pytorchPeakMemoryMB = await theirs[best]!.peakMemoryMB();
  }
  ours.close();
  for (const rival of theirs) await rival.close();
  return result;
}

function row(result: Record<string, unknown>): string {
  const number = (key: string, digits: number): string =>
    typeof result[key] === "number" ? (result[key] as number).toFixed(digits) : "";
  const cells = [
    String(result.name).padEnd(22),
    number("milliseconds", 1).padStart(9),
    number("imagesPerSecond", 1).padStart(9),
    number("gflops", 0).padStart(7),
    (typeof result.shareOfPeak === "number" ? `${(result.shareOfPeak * 100).toFixed(0)} %` : "").padStart(6),
    number("peakMemoryMB", 0).padStart(7),
  ];
  if (result.ratioToPyTorch !== undefined) {
    cells.push(
      number("pytorchMilliseconds", 1).padStart(9),
      `${number("ratioToPyTorch", 2)}x`.padStart(7),
      number("pytorchPeakMemoryMB", 0).padStart(7),
      String(result.pytorchLayout),
    );
  }
  return cells.join("  ");
}

const program = new Command("bench")
  .description("times training steps, matrix products and convolutions on the CPU device")
  .addOption(new Option("--against <peer>", "race a peer, interleaved").choices(["pytorch"]))
  .option("--default-settings", "PyTorch as installed instead of tuned")
  .option("--only <text>", "tasks whose name contains it")
  .option("--turns <n>", "turns of each side", Number, 5)
  .option("--json", "one JSON object a line and nothing else")
  .parse();
const flags = program.opts<{
  against?: string;
  defaultSettings?: true;
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
  print(
    `${"".padEnd(22)}  ${"ms".padStart(9)}  ${"images/s".padStart(9)}  GFLOP/s    peak       MB${flags.against ? "  PyTorch ms    ratio       MB  layout" : ""}`,
  );
  for (const task of tasks.filter(({ name }) => name.includes(flags.only ?? ""))) {
    const result = await measure(
      task,
      flags.turns,
      flags.against === "pytorch",
      !flags.defaultSettings,
      peak,
    );
    if (flags.json) console.log(JSON.stringify(result));
    else print(row(result));
  }
} catch (error) {
  console.error(`bench: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  peak.close();
}
