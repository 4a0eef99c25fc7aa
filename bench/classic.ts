/** Races SVC and random forest with scikit-learn's: the same numbers, one process a side, one after the other. */
import { execFile, fork } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Command, Option } from "commander";
import {
  type Classifier,
  hogFeatures,
  type Matrix,
  matrix,
  pixelFeatures,
  randomForestClassifier,
  svc,
} from "../src/classic/index.js";
import { type LabelledImages, loadImageSet } from "../src/data/index.js";
import { openDevice } from "../src/devices/open.js";
import { useDevice } from "../src/tensor/evaluate.js";

/** Named by learner and features. */
const tasks = ["svc-pixels", "svc-hog", "forest-pixels"] as const;
type Task = (typeof tasks)[number];

/** One side's figures; times in seconds, user time over all threads. */
interface Figures {
  readonly fit: number;
  readonly fitUser: number;
  readonly predict: number;
  readonly predictUser: number;
  readonly accuracy: number;
  readonly peakMB: number;
  /** Of an SVC: support vectors, and the sum over pairs of the dual objective. */
  readonly support?: number;
  readonly objective?: number;
}

/** Where a side finds its numbers. */
interface Folder {
  readonly path: string;
  readonly rows: number;
  readonly testRows: number;
  readonly columns: number;
}

const hog = { orientations: 9, pixelsPerCell: [4, 4], cellsPerBlock: [2, 2] } as const;

async function writeFeatures(task: Task, images: number | undefined, path: string): Promise<Folder> {
  const { train, test } = await loadImageSet({ name: "fashion-mnist" });
  const rows = Math.min(images ?? train.count, train.count);
  const testRows = Math.min(images ?? test.count, test.count);
  const put = async (name: string, all: LabelledImages, count: number): Promise<number> => {
    const part = { ...all, count };
    const x = task.endsWith("hog") ? await hogFeatures(part, hog) : pixelFeatures(part);
    writeFileSync(join(path, `${name}.f32`), new Uint8Array(x.values.buffer));
    writeFileSync(join(path, `${name}.u8`), all.labels.subarray(0, count));
    return x.columns;
  };
  await put("test", test, testRows);
  return { path, rows, testRows, columns: await put("train", train, rows) };
}

async function ours(task: Task, { path, rows, testRows, columns }: Folder): Promise<Figures> {
  useDevice(await openDevice("cpu"));
  const read = (name: string, count: number): { x: Matrix; y: Uint8Array } => {
    const { buffer, byteOffset } = readFileSync(join(path, `${name}.f32`));
    const values = new Float32Array(buffer, byteOffset, count * columns);
    return { x: matrix(values, count, columns), y: readFileSync(join(path, `${name}.u8`)) };
  };
  const [train, test] = [read("train", rows), read("test", testRows)];
  const machine = task.startsWith("svc") ? svc({ C: 10, cacheSize: 4096 }) : undefined;
  const model: Classifier = machine ?? randomForestClassifier({ nEstimators: 100, randomState: 0 });
  const fit = await timed(() => model.fit(train.x, train.y));
  const predict = await timed(() => model.score(test.x, test.y));
  return {
    fit: fit.seconds,
    fitUser: fit.user,
    predict: predict.seconds,
    predictUser: predict.user,
    accuracy: predict.value,
    peakMB: process.resourceUsage().maxRSS / 1024,
    ...(machine
      ? {
          support: machine.supportVectors.rows,
          objective: machine.report.reduce((sum, { objective }) => sum + objective, 0),
        }
      : {}),
  };
}

async function timed<T>(work: () => Promise<T>): Promise<{ value: T; seconds: number; user: number }> {
  const user = process.cpuUsage().user;
  const start = performance.now();
  const value = await work();
  return { value, seconds: (performance.now() - start) / 1000, user: (process.cpuUsage().user - user) / 1e6 };
}

function ourSide(task: Task, folder: Folder): Promise<Figures> {
  const child = fork(fileURLToPath(import.meta.url), ["--side", task, "--folder", JSON.stringify(folder)], {
    execArgv: ["--import", "tsx"],
  });
  return new Promise((resolve, reject) => {
    child.once("message", (figures) => resolve(figures as Figures));
    child.once("exit", (code) => reject(new Error(`our side ended with code ${code}`)));
  });
}

async function theirSide(task: Task, folder: Folder): Promise<Figures> {
  const script = fileURLToPath(new URL("./sklearn_side.py", import.meta.url));
  const { path, rows, testRows, columns } = folder;
  const args = [script, task, path, ...[rows, testRows, columns].map(String)];
  const { stdout } = await promisify(execFile)("/usr/bin/python3", args);
  return JSON.parse(stdout);
}

async function race(chosen: readonly Task[], images: number | undefined): Promise<void> {
  console.log(`${cpus()[0]!.model}, ${cpus().length} threads, Node ${process.version}, one run a side`);
  for (const task of chosen) {
    const path = mkdtempSync(join(tmpdir(), "flybrick-classic-"));
    try {
      const folder = await writeFeatures(task, images, path);
      const shape = `${folder.rows} + ${folder.testRows} images, ${folder.columns} features`;
      console.log(`\n${task}: ${shape}`);
      const [own, other] = [await ourSide(task, folder), await theirSide(task, folder)];
      show("Flybrick", own);
      show("scikit-learn", other);
      const times = (name: "fit" | "fitUser" | "predict" | "predictUser"): string =>
        `${(other[name] / own[name]).toFixed(1)} times`;
      console.log(
        `  faster: fit ${times("fit")} (user time ${times("fitUser")}), predict ${times("predict")} (${times("predictUser")})`,
      );
    } finally {
      rmSync(path, { recursive: true, force: true });
    }
  }
}

function show(name: string, figures: Figures): void {
  const { fit, fitUser, predict, predictUser, accuracy, peakMB, support, objective } = figures;
  const parts = [
    `fit ${fit.toFixed(2)} s (user ${fitUser.toFixed(2)})`,
    `predict ${predict.toFixed(2)} s (${predictUser.toFixed(2)})`,
    `accuracy ${accuracy.toFixed(4)}`,
    `${peakMB.toFixed(0)} MB`,
    ...(support === undefined
      ? []
      : [`${support} support vectors`, `dual objective ${objective!.toFixed(3)}`]),
  ];
  console.log(`  ${name.padEnd(13)} ${parts.join(", ")}`);
}

const { images, only, side, folder } = new Command("bench:classic")
  .option("--images <n>", "the first so many training and test images (default: all)", Number)
  .addOption(new Option("--only <task>", "one task").choices(tasks))
  .addOption(new Option("--side <task>").hideHelp())
  .addOption(new Option("--folder <json>").hideHelp())
  .parse()
  .opts<{ images?: number; only?: Task; side?: Task; folder?: string }>();
if (side) process.send!(await ours(side, JSON.parse(folder!)), () => process.exit(0));
else {
  useDevice(await openDevice("cpu"));
  await race(only ? [only] : tasks, images);
}
