import type { Command } from "commander";
import { openReference } from "../devices/reference/reference.js";
import { findModel, type ModelName, modelNames } from "../models/index.js";
import { useDevice } from "../tensor/evaluate.js";
import { layerTable } from "./layer_table.js";
import { wholeNumber } from "./options.js";
import { printJson } from "./reporters.js";
import { buildModel } from "./training_run.js";

export function addSummary(program: Command): void {
  program
    .command("summary")
    .description("a model's layers: output shape, parameters, multiply-adds and bytes")
    .argument("<model>", `one of ${modelNames.join(", ")}`)
    .option("--resize <pixels>", "height and width of the input (default: the model's)", wholeNumber(1))
    .option("--batch-size <n>", "examples the table is for", wholeNumber(1), 1)
    .option("--json", "print one JSON object a layer and nothing else")
    .action((model: string, flags: { resize?: number; batchSize: number; json?: true }) => {
      // Shapes only: nothing is computed, so no other device needs to be opened.
      useDevice(openReference());
      const net = buildModel({ model: model as ModelName, resize: flags.resize ?? findModel(model).size });
      if (flags.json) for (const row of net.layers(flags.batchSize)) printJson(row);
      else console.log(layerTable(net, flags.batchSize));
    });
}
