import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { errorCode, fileProblem, UserError } from "../core/errors.js";
import { openRun, type RunStanding, readStanding, type SavedRun } from "../deploy/saved_run.js";
import { modelTitle } from "../models/model_file.js";
import { duration } from "../train/progress.js";
import { printJson } from "./reporters.js";
import { alignedLines } from "./table.js";

export function addRuns(program: Command): void {
  program
    .command("runs")
    .description("lists runs side by side, and the settings in which they differ")
    .argument("[paths...]", "run directories, or folders that hold them", ["runs"])
    .option("--json", "print one JSON object a run and nothing else")
    .action(async (paths: string[], flags: { json?: true }) => {
      const runs = (await Promise.all(paths.map(findRuns))).flat();
      if (flags.json) for (const run of runs) printJson(asRecord(run));
      else if (runs.length === 0) console.log(`no run is in ${paths.join(", ")}`);
      else console.log([...alignedLines([header, ...runs.map(row)], 4), ...differences(runs)].join("\n"));
    });
}

type ListedRun = SavedRun & RunStanding;

/** Throws a UserError where `path` holds no run, or its files are damaged. */
async function readRun(path: string): Promise<ListedRun> {
  const run = await openRun(path);
  return { ...run, ...(await readStanding(run)) };
}

/** The run at a path, or those in it, by name. Throws a UserError where there can be none. */
async function findRuns(path: string): Promise<ListedRun[]> {
  const names = await readdir(path).catch((error: unknown): string[] => {
    // Where nothing was trained yet there is no such folder.
    if (path === "runs" && errorCode(error) === "ENOENT") return [];
    throw new UserError(
      `${path} cannot be read, because ${fileProblem(error)}: name run directories, or a folder that holds them.`,
    );
  });
  if (names.includes("config.json")) return [await readRun(path)];
  const order = new Intl.Collator("en", { numeric: true }).compare;
  const found = await Promise.all(names.sort(order).map((name) => readIfRun(join(path, name))));
  return found.flatMap((run) => run ?? []);
}

/** A folder may hold other things than runs; a damaged run is told of and left out. */
async function readIfRun(path: string): Promise<ListedRun | undefined> {
  const names = await readdir(path).catch((): string[] => []);
  if (!names.includes("config.json")) return undefined;
  return readRun(path).catch((error: unknown) => {
    process.stderr.write(`${(error as Error).message}\n`);
    return undefined;
  });
}

function stateOf({ finished, running }: ListedRun): "finished" | "running" | "stopped" {
  return finished ? "finished" : running ? "running" : "stopped";
}

function totalSeconds({ epochs }: ListedRun): number {
  return epochs.reduce((sum, { seconds }) => sum + seconds, 0);
}

const header = [
  "run",
  "model",
  "recipe",
  "state",
  "epochs",
  "loss",
  "train acc",
  "test acc",
  "best",
  "images/s",
  "time",
];

function row(run: ListedRun): string[] {
  const { directory, config, epochs, best } = run;
  const last = epochs.at(-1);
  const figure = (value: number | undefined): string => value?.toFixed(3) ?? "-";
  return [
    directory.path,
    modelTitle(config.model),
    config.recipe,
    stateOf(run),
    `${epochs.length}/${config.epochs}`,
    figure(last?.loss),
    figure(last?.trainAccuracy),
    figure(last?.testAccuracy),
    best ? `${figure(best.testAccuracy)} (${best.epoch})` : "-",
    last?.examplesPerSecond.toFixed(0) ?? "-",
    last ? duration(totalSeconds(run)) : "-",
  ];
}

function asRecord(run: ListedRun): object {
  const { directory, config, epochs, best } = run;
  return {
    run: directory.path,
    state: stateOf(run),
    last: epochs.at(-1),
    best,
    seconds: totalSeconds(run),
    config,
  };
}

/** What the table shows already, every run has of its own, decides nothing, or other settings say in fewer words. */
const notCompared = new Set(
  "model recipe epochs startedAt modelChecksum checkpointEvery keepCheckpoints sample dataSource deviceDescription".split(
    " ",
  ),
);

/** Of a setting: the end of a path says more than its beginning. */
const mostCharacters = 24;

/** The settings that are not the same in all runs, a column each. */
function differences(runs: readonly ListedRun[]): string[] {
  const configs = runs.map(({ config }) => new Map(Object.entries(config)));
  const text = (value: unknown): string =>
    value === undefined ? "-" : typeof value === "string" ? value : JSON.stringify(value);
  const keys = [...new Set(configs.flatMap((config) => [...config.keys()]))].filter(
    (key) => !notCompared.has(key) && new Set(configs.map((config) => text(config.get(key)))).size > 1,
  );
  if (keys.length === 0) return [];
  const rows = runs.map(({ directory }, k) => [
    directory.path,
    ...keys.map((key) => shortened(text(configs[k]!.get(key)))),
  ]);
  return ["", "They differ in", ...alignedLines([["run", ...keys], ...rows], 1)];
}

function shortened(text: string): string {
  return text.length <= mostCharacters ? text : `…${text.slice(1 - mostCharacters)}`;
}
