import { join } from "node:path";
import type { Command } from "commander";
import { atomicWrite } from "../core/atomic_write.js";
import { loadImageSet } from "../data/index.js";
import { type Cell, type Comparison, type ComparisonOptions, compare } from "../experiments/comparison.js";
import { learnerNames, rowNames, threeEras } from "../experiments/comparison_plan.js";
import { provenanceOf } from "../experiments/kept.js";
import { chosenNames } from "../experiments/names.js";
import { useDevice } from "../tensor/evaluate.js";
import { canRedraw, duration } from "../train/progress.js";
import { untilInterrupted } from "./interrupt.js";
import { bytesText, grouped } from "./layer_table.js";
import {
  addExperimentOptions,
  commandLine,
  deviceText,
  type ExperimentFlags,
  names,
  openDeviceOf,
  wholeNumber,
} from "./options.js";
import { printJson } from "./reporters.js";
import { alignedLines } from "./table.js";

interface CompareFlags extends ExperimentFlags {
  full?: true;
  rows?: string[];
  learners?: string[];
  seed: number;
}

export function addCompare(program: Command): void {
  const command = program
    .command("compare")
    .description(
      "three eras on one table: given features with classic learners, and networks that learn them",
    )
    .option("--sample", "take the sample of 6,000 + 1,000 images that ships with Flybrick (the default)")
    .addOption(
      program
        .createOption("--full", "take all of Fashion-MNIST; about 50 minutes on two cores")
        .conflicts("sample"),
    )
    .option("--rows <names>", `some of ${rowNames(threeEras).join(", ")}`, names)
    .option("--learners <names>", `some of ${learnerNames(threeEras).join(", ")}`, names)
    .option("--seed <n>", "of weights, order and forests", wholeNumber(0), 0);
  addExperimentOptions(command).action((flags: CompareFlags) => run(flags));
}

async function run(flags: CompareFlags): Promise<void> {
  const { json, full, dataDir, seed } = flags;
  // A wrong name is told of before anything is loaded.
  const rows = chosenNames("row", rowNames(threeEras), flags.rows);
  const learners = chosenNames("learner", learnerNames(threeEras), flags.learners);
  const out = flags.out ?? join("runs", full ? "compare-full" : "compare");
  const device = await openDeviceOf(flags);
  useDevice(device);
  const data = await loadImageSet({ name: "fashion-mnist", sample: !full, directory: dataDir });
  const note = (text: string): void => {
    if (!json) console.log(text);
  };
  note(data.source);
  note(`device: ${deviceText(device)}`);
  const bar = new Status(!json);
  const onResult: ComparisonOptions["onResult"] = (result, { done, total, isKept }) => {
    bar.clear();
    const { conditions: _conditions, ...figures } = result;
    if (json) return printJson({ event: "result", done, total, isKept, ...figures });
    const { accuracy, fitSeconds, predictSeconds, peakBytes } = result;
    const name = "network" in result ? result.network : `${result.features}, ${result.learner}`;
    const cost = `${duration(fitSeconds)} to learn, ${duration(predictSeconds)} to predict, ${bytesText(peakBytes)}`;
    note(`${String(done).padStart(2)}/${total}  ${name}: ${accuracy.toFixed(4)}  ${isKept ? "kept" : cost}`);
  };
  const comparison = await untilInterrupted((signal) =>
    compare(threeEras, data, join(out, "results"), {
      rows,
      learners,
      seed,
      signal,
      onResult,
      onProgress: (what, { what: unit, done, total }) => bar.show(`${what}: ${unit} ${done}/${total}`),
    }),
  ).finally(() => bar.clear());
  const { kernels: _kernels, ...figures } = comparison;
  const summary = {
    ...figures,
    command: commandLine(),
    data: data.source,
    ...provenanceOf([...comparison.networks, ...comparison.cells]),
  };
  await atomicWrite(join(out, "summary.json"), `${JSON.stringify(summary, undefined, 1)}\n`);
  const { comparisonCharts } = await import("../experiments/comparison_charts.js");
  const charts = comparisonCharts(comparison, data);
  for (const [file, svg] of Object.entries(charts)) await atomicWrite(join(out, file), svg);
  for (const table of tables(comparison)) note(`\n${table}`);
  note(`\n${out} holds summary.json, ${Object.keys(charts).join(", ")} and the results.`);
}

/** Accuracy by features and learner, then the networks. */
function tables({ cells, networks, learners }: Comparison): string[] {
  const columns = learners.filter((name) => cells.some(({ learner }) => learner === name));
  const rows = [...new Set(cells.map(({ features }) => features))];
  const at = (features: string, learner: string): Cell | undefined =>
    cells.find((cell) => cell.features === features && cell.learner === learner);
  const tableOf = (corner: string, text: (cell: Cell) => string): string =>
    alignedLines(
      [
        [corner, "numbers", ...columns],
        ...rows.map((row) => [
          row,
          grouped(cells.find(({ features }) => features === row)!.columns),
          ...columns.map((column) => {
            const cell = at(row, column);
            return cell ? text(cell) : "";
          }),
        ]),
      ],
      1,
    ).join("\n");
  const made: string[] = [];
  if (cells.length > 0) {
    const mark = (cell: Cell): string => (cell.converged ? "" : "*");
    const accuracies = tableOf(
      "test accuracy, %",
      (cell) => `${(100 * cell.accuracy).toFixed(1)}${mark(cell)}`,
    );
    const isCapped = cells.some(({ converged }) => !converged);
    made.push(
      isCapped
        ? `${accuracies}\n* not converged: its last allowed iteration, or rounding, ended it`
        : accuracies,
    );
    made.push(
      tableOf("seconds to learn + predict", ({ fitSeconds, predictSeconds }) => {
        return `${fitSeconds.toFixed(1)} + ${predictSeconds.toFixed(1)}`;
      }),
    );
    made.push(tableOf("memory at the highest, MB", ({ peakBytes }) => grouped(Math.round(peakBytes / 1e6))));
  }
  if (networks.length > 0)
    made.push(
      alignedLines(
        [
          ["network", "test acc %", "parameters", "multiply-adds", "to learn", "to predict", "memory"],
          ...networks.map((row) => [
            row.network,
            (100 * row.accuracy).toFixed(1),
            grouped(row.parameters),
            grouped(row.multiplyAdds),
            duration(row.fitSeconds),
            duration(row.predictSeconds),
            bytesText(row.peakBytes),
          ]),
        ],
        1,
      ).join("\n"),
    );
  return made;
}

/** One line at the bottom of a terminal that says what goes on; nothing where the output is no terminal. */
class Status {
  private shownAt = 0;
  private readonly isOn: boolean;

  constructor(isWanted: boolean) {
    this.isOn = isWanted && canRedraw(process.stdout);
  }

  show(text: string): void {
    if (!this.isOn || performance.now() - this.shownAt < 100) return;
    this.shownAt = performance.now();
    process.stdout.write(`\r\u001b[K${text.slice(0, (process.stdout.columns ?? 80) - 1)}`);
  }

  clear(): void {
    if (this.isOn) process.stdout.write("\r\u001b[K");
  }
}
