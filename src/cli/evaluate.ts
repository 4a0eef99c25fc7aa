import type { Command } from "commander";
import { loadNetwork, openRun } from "../deploy/saved_run.js";
import { modelTitle } from "../models/model_file.js";
import { useDevice } from "../tensor/evaluate.js";
import { evaluate } from "../train/evaluate.js";
import { addDeviceOptions, type DeviceFlags, openDeviceOf, weightsOption } from "./options.js";
import { recipeTitle } from "./recipe_words.js";
import { printJson } from "./reporters.js";
import { loadData } from "./training_run.js";

interface EvaluateFlags extends DeviceFlags {
  dataDir?: string;
  sample?: true;
  weights?: string;
  json?: true;
}

export function addEvaluate(program: Command): void {
  const command = program
    .command("evaluate")
    .description("loss and accuracy of a run's weights on the test set")
    .argument("<run>", "run directory, such as runs/alexnet, or lenet for the weights that ship")
    .option("--data-dir <dir>", "folder that holds the four IDX files (default: as trained)")
    .option("--sample", "take the shipped sample's test images")
    .option(...weightsOption);
  addDeviceOptions(command)
    .option("--json", "print one JSON object and nothing else")
    .action(async (path: string, flags: EvaluateFlags) => {
      const run = await openRun(path, flags);
      useDevice(await openDeviceOf(flags));
      const { config } = run;
      const net = await loadNetwork(run, flags.weights);
      const data = await loadData(config, (text) => process.stderr.write(`${text}\n`));
      const { loss, accuracy, examplesPerSecond } = await evaluate(net, data.testSet);
      if (flags.json)
        printJson({
          run: path,
          model: config.model,
          recipe: config.recipe,
          examples: data.testSet.count,
          loss,
          accuracy,
          examplesPerSecond,
        });
      else {
        console.log(`${modelTitle(config.model)} (recipe ${recipeTitle(config)}) from ${path}`);
        console.log(`test images of ${data.source}`);
        console.log(
          `loss ${loss.toFixed(4)}, accuracy ${accuracy.toFixed(4)}, ${examplesPerSecond.toFixed(0)} examples/s`,
        );
      }
    });
}
