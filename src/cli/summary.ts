import type { Command } from "commander";
import { openReference } from "../devices/reference/reference.js";
import { loadModel } from "../models/model_file.js";
import { useDevice } from "../tensor/evaluate.js";
import { layerTable } from "./layer_table.js";
import { modelHelp, wholeNumber } from "./options.js";
import { printJson } from "./reporters.js";

export function addSummary(program: Command): void {
  program
    .command("summary")
    .description("a model's layers: output shape, parameters, multiply-adds and bytes")
    .argument("<model>", modelHelp)
    .option("--resize <pixels>", "height and width of the input (default: the model's)", wholeNumber(1))
    .option("--batch-size <n>", "examples the table is for", wholeNumber(1), 1)
    .option("--json", "print one JSON object a layer and nothing else")
    .action(async (model: string, flags: { resize?: number; batchSize: number; json?: true }) => {
      // Shapes only: nothing is computed, so no other device needs to be opened.
      useDevice(openReference());
      const { build, size } = await loadModel(model);
      const resize = flags.resize ?? size;
      const net = build([1, resize, resize]);
      if (flags.json) for (const row of net.layers(flags.batchSize)) printJson(row);
      else console.log(layerTable(net, flags.batchSize));
    });
}
