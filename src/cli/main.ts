import { Command } from "commander";
import { version } from "../core/version.js";
import { addAblate } from "./ablate.js";
import { addCompare } from "./compare.js";
import { addDevices } from "./devices.js";
import { addEvaluate } from "./evaluate.js";
import { addExport } from "./export.js";
import { addNotebook } from "./notebook.js";
import { addPredict } from "./predict.js";
import { addReport } from "./report.js";
import { reportError } from "./report_error.js";
import { addRuns } from "./runs.js";
import { addSummary } from "./summary.js";
import { addTrain } from "./train.js";
import { addWatch } from "./watch.js";

function buildProgram(): Command {
  const program = new Command("flybrick")
    .description("Trains deep networks in TypeScript, on a fast native CPU backend.")
    .version(version)
    .showHelpAfterError("(add --help for all options)")
    .exitOverride();
  for (const add of [
    addDevices,
    addSummary,
    addTrain,
    addEvaluate,
    addRuns,
    addReport,
    addWatch,
    addPredict,
    addExport,
    addCompare,
    addAblate,
    addNotebook,
  ])
    add(program);
  for (const command of program.commands)
    command.exitOverride().showHelpAfterError("(add --help for all options)");
  return program;
}

/** Runs a command line; sets the exit code, prints mistakes as one sentence. */
export async function main(args: readonly string[]): Promise<void> {
  // A reader that stops early (`| head`) is no mistake.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  try {
    await buildProgram().parseAsync(args, { from: "user" });
  } catch (error) {
    process.exitCode = reportError(error as Error, args.includes("--json"));
  }
}
