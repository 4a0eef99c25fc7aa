import type { Command } from "commander";
import { shellCommand } from "../core/command_line.js";
import { openDevice } from "../devices/open.js";
import { useDevice } from "../tensor/evaluate.js";
import { duration } from "../train/progress.js";
import { recipes } from "../train/recipes.js";
import type { RunConfig } from "../train/run_config.js";
import { nextRunDirectory } from "../train/run_directory.js";
import { stoppedCode } from "./interrupt.js";
import { layerTable } from "./layer_table.js";
import { deviceText, wholeNumber } from "./options.js";
import { terminalReporter } from "./reporters.js";
import { buildModel, loadData, runTraining, stoppedText } from "./training_run.js";

const fullSet = 60_000;

/** The notebook from top to bottom: the network's shapes, the data, training with its settings, the curves. */
export function addNotebook(program: Command): void {
  program
    .command("notebook")
    .description("the notebook: AlexNet on Fashion-MNIST at 224, batch 128, SGD 0.01, 10 epochs")
    .option("--full", "all 60,000 + 10,000 images instead of the shipped sample")
    .option("--epochs <n>", "passes over the training set", wholeNumber(1), 10)
    .option("--seed <n>", "decides weights, dropout and the order of the data", wholeNumber(0), 0)
    .option("--out <dir>", "run directory (default: runs/alexnet)")
    .action(async (flags: { full?: true; epochs: number; seed: number; out?: string }) => {
      const config: RunConfig = {
        ...recipes.notebook,
        recipe: "notebook",
        model: "alexnet",
        data: "fashion-mnist",
        sample: !flags.full,
        resize: 224,
        epochs: flags.epochs,
        checkpointEvery: { seconds: 300 },
        seed: flags.seed,
      };
      const print = (text: string): void => console.log(text);
      const device = await openDevice("auto");
      useDevice(device);
      print("AlexNet, as in the notebook. Every layer's output for one image of 224 x 224:\n");
      print(layerTable(await buildModel(config), 1));
      print(
        `\nDevice: ${deviceText(device)}${device.name === "webgpu" ? "" : "\nNo GPU is used: it computes on the processor."}`,
      );
      const data = await loadData(config, print);
      print(`Data: ${data.source}`);
      const steps = Math.ceil(data.trainSet.count / config.batchSize) * config.epochs;
      if (data.isSample) {
        print(
          `The notebook trains on 60,000 images; this is the shipped sample: ${steps} steps of its 4,690.\n` +
            "Expect a plateau near 10-30 % accuracy for the first two epochs (plain SGD starts slowly), then a climb\n" +
            "to about 0.7 test accuracy. For all the data: npm start -- --full",
        );
      } else print("Expect about 0.75 test accuracy after the first epoch and 0.88 after the tenth.");
      const path = flags.out ?? nextRunDirectory("runs", "alexnet");
      print(
        `Training into ${path}: batch ${config.batchSize}, SGD with learning rate ${config.learningRate}, ${config.epochs} epochs.\n`,
      );
      const view = terminalReporter(config, ({ examplesPerSecond }) =>
        data.isSample
          ? `At this speed ten epochs of the full data (--full) would take about ${duration((10 * (fullSet + 3_500)) / examplesPerSecond)}.`
          : undefined,
      );
      try {
        const outcome = await runTraining(config, data, device, path, view, { progressSeconds: 1 });
        view.stop();
        const last = outcome.epochs.at(-1);
        if (last) {
          print(
            `\nloss ${last.loss.toFixed(3)}, train acc ${last.trainAccuracy.toFixed(3)}, test acc ${last.testAccuracy.toFixed(3)}\n` +
              `${last.examplesPerSecond.toFixed(1)} examples/sec on ${device.description}`,
          );
        }
        if (outcome.stopped) {
          process.exitCode = stoppedCode;
          print(stoppedText(outcome.steps, path));
        } else
          print(
            `Curves: ${path}/curves.svg   weights: ${path}/model.safetensors   try: ${shellCommand("evaluate", path)}`,
          );
      } finally {
        view.stop();
      }
    });
}
