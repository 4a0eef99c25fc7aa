import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { openRun } from "../deploy/saved_run.js";
import { useDevice } from "../tensor/evaluate.js";
import type { Report } from "../views/report_page.js";
import { addDeviceOptions, type DeviceFlags, openDeviceOf, wholeNumber } from "./options.js";
import { inspectRun, readReport } from "./run_report.js";
import { loadData } from "./training_run.js";

interface WatchFlags extends DeviceFlags {
  dataDir?: string;
  sample?: true;
  port: number;
}

/** Looking takes the processor from the training, so a live page looks at some of the test images. */
const mostExamples = 1000;
const pollMilliseconds = 500;

export function addWatch(program: Command): void {
  const command = program
    .command("watch")
    .description("serve a run's report on this machine while it is trained in another process")
    .argument("<run>", "run directory, such as runs/alexnet, or lenet for the weights that ship")
    .option("--port <n>", "port on 127.0.0.1 (default: any free one)", wholeNumber(0, 65_535), 0)
    .option("--data-dir <dir>", "folder that holds the four IDX files (default: as trained)")
    .option("--sample", "take the shipped sample's test images");
  addDeviceOptions(command).action(async (path: string, flags: WatchFlags) => {
    const run = await openRun(path, flags);
    let report: Report = await readReport(run);
    const { serveLive } = await import("./live_page.js");
    const page = await serveLive(() => report, flags.port);
    console.log(`${page.url} shows ${path}; Ctrl-C ends it.`);
    const ended = new AbortController();
    const end = (): void => ended.abort();
    process.once("SIGINT", end);
    process.once("SIGTERM", end);
    try {
      useDevice(await openDeviceOf(flags));
      const data = await loadData(run.config, (text) => process.stderr.write(`${text}\n`));
      let seen = { metrics: "", weights: "" };
      while (!ended.signal.aborted) {
        const now = {
          metrics: await stamp(join(run.directory.path, "metrics.jsonl")),
          weights: await stamp(join(run.directory.path, "model.safetensors")),
        };
        if (now.metrics !== seen.metrics) {
          report = { ...(await readReport(run)), inspection: report.inspection };
          page.update();
        }
        if (now.weights !== seen.weights) {
          report = { ...report, inspection: await inspectRun(run, data, mostExamples) };
          page.update();
        }
        seen = now;
        await pause(pollMilliseconds, ended.signal);
      }
    } finally {
      process.off("SIGINT", end);
      process.off("SIGTERM", end);
      await page.close();
    }
  });
}

/** Changes whenever a file does; asked for again and again, since not every file system tells of changes. */
async function stamp(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found ? `${found.ino} ${found.size} ${found.mtimeMs}` : "";
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
