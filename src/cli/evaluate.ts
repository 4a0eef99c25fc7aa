import { join } from "node:path";
import type { Command } from "commander";
import { findRun } from "../deploy/saved_run.js";
import { useDevice } from "../tensor/evaluate.js";
import { evaluate } from "../train/evaluate.js";
import { RunDirectory } from "../train/run_directory.js";
import { loadWeights } from "../train/weights.js";
import { loadModel } from "./model_file.js";
import { addDeviceOptions, type DeviceFlags, openDeviceOf } from "./options.js";
import { printJson } from "./reporters.js";
import { type DataConfig, loadData, type RunConfig } from "./training_run.js";

interface EvaluateFlags extends DeviceFlags {
  dataDir?: string;
  sample?: true;
  json?: true;
}

export function addEvaluate(program: Command): void {
  const command = program
    .command("evaluate")
    .description("loss and accuracy of a run's weights on the test set")
    .argument("<run>", "run directory, such as runs/alexnet, or lenet for the weights that ship")
    .option("--data-dir <dir>", "folder that holds the four IDX files (default: as trained)")
    .option("--sample", "take the shipped sample's test images");
  addDeviceOptions(command)
    .option("--json", "print one JSON object and nothing else")
    .action(async (path: string, flags: EvaluateFlags) => {
      const run = await RunDirectory.open(findRun(path));
      const saved = run.config as unknown as RunConfig;
      useDevice(await openDeviceOf(flags));
      const { build } = await loadModel(saved.model);
      const dataDir = flags.dataDir ?? saved.dataDir;
      const config: DataConfig = {
        data: saved.data,
        sample: flags.sample ?? saved.sample,
        resize: saved.resize,
        // Runs of earlier versions do not name it, nor their recipe.
        normalize: saved.normalize ?? false,
        ...(dataDir === undefined ? {} : { dataDir }),
      };
      const recipe = saved.recipe ?? "notebook";
      const net = build([1, config.resize, config.resize]);
      await loadWeights(net, join(run.path, "model.safetensors"));
      const data = await loadData(config, (text) => process.stderr.write(`${text}\n`));
      const { loss, accuracy, examplesPerSecond } = await evaluate(net, data.testSet);
      if (flags.json)
        printJson({
          run: path,
          model: saved.model,
          recipe,
          examples: data.testSet.count,
          loss,
          accuracy,
          examplesPerSecond,
        });
      else {
        console.log(
          `${saved.model} (recipe ${recipe}) from ${path} on ${data.testSet.count} test images ${data.source}`,
        );
        console.log(
          `loss ${loss.toFixed(4)}, accuracy ${accuracy.toFixed(4)}, ${examplesPerSecond.toFixed(0)} examples/s`,
        );
      }
    });
}
