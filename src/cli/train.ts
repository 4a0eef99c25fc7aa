import { type Command, Option } from "commander";
import type { ImageSetName } from "../data/index.js";
import { findModel, type ModelName, modelNames } from "../models/index.js";
import {
  initializerNames,
  optimizerNames,
  type RecipeName,
  type RecipeSettings,
  recipeNames,
  recipes,
  scheduleNames,
} from "../train/recipes.js";
import { nextRunDirectory } from "../train/run_directory.js";
import {
  addDeviceOptions,
  type DeviceFlags,
  normalization,
  numberFrom,
  numberOrNone,
  openDeviceOf,
  wholeNumber,
} from "./options.js";
import { differenceFromNotebook, recipeHelp } from "./recipe_words.js";
import { jsonReporter, printJson, terminalReporter } from "./reporters.js";
import { continueHint, inNumbers, loadData, runTraining } from "./training_run.js";

interface TrainFlags extends Partial<RecipeSettings>, DeviceFlags {
  data: ImageSetName;
  dataDir?: string;
  sample?: true;
  resize?: number;
  epochs: number;
  recipe: RecipeName;
  seed: number;
  weights?: string;
  out?: string;
  json?: true;
}

export function addTrain(program: Command): void {
  const command = program
    .command("train")
    .description("train a model and keep its weights, metrics and curves in a run directory")
    .argument("<model>", `one of ${modelNames.join(", ")}`)
    .addOption(
      new Option("--data <name>", "data set").choices(["fashion-mnist", "mnist"]).default("fashion-mnist"),
    )
    .option("--data-dir <dir>", "folder that holds the four IDX files")
    .option("--sample", "take the sample of 6,000 + 1,000 images that ships with Flybrick")
    .option("--resize <pixels>", "height and width of the input (default: the model's)", wholeNumber(1))
    .option("--epochs <n>", "passes over the training set", wholeNumber(1), 10)
    .addOption(
      new Option(
        "--recipe <name>",
        "how it is trained: as in the notebook, or fast, made for alexnet; see below",
      )
        .choices(recipeNames)
        .default("notebook"),
    )
    .option("--batch-size <n>", "examples a step", wholeNumber(1))
    .addOption(new Option("--optimizer <name>", "how weights change").choices(optimizerNames))
    .option("--learning-rate <x>", "size of a step", numberFrom(0, false))
    .option("--momentum <x>", "share of the last step that is kept (sgd)", numberFrom(0))
    .option("--nesterov", "look ahead along the momentum (sgd)")
    .option("--no-nesterov", "do not, whatever the recipe says")
    .option("--weight-decay <x>", "L2 penalty", numberFrom(0))
    .addOption(
      new Option("--schedule <name>", "how the learning rate moves: not, or down to zero").choices(
        scheduleNames,
      ),
    )
    .option(
      "--warmup-steps <n>",
      "steps up to the learning rate (cosine), at most a third of the run",
      wholeNumber(0),
    )
    .option("--clip-grad-norm <x>", "largest norm of all gradients together, or none", numberOrNone)
    .addOption(new Option("--initializer <name>", "how weights are drawn").choices(initializerNames))
    .option("--normalize <how>", "pixels: none, data (its own figures), or mean,std", normalization)
    .option("--seed <n>", "decides weights, dropout and the order of the data", wholeNumber(0), 0)
    .option("--weights <file>", "start from these weights (safetensors) instead of random ones");
  addDeviceOptions(command)
    .option("--out <dir>", "run directory (default: runs/<model>)")
    .option("--json", "print one JSON object a line and nothing else")
    .addHelpText("after", recipeHelp())
    .action(async (model: string, flags: TrainFlags) => {
      const entry = findModel(model);
      const { dataDir, sample, resize, weights, threads, device, convolution, out, json, recipe, ...rest } =
        flags;
      const config = inNumbers({
        ...recipes[recipe],
        ...rest,
        recipe,
        model: model as ModelName,
        sample: sample ?? false,
        resize: resize ?? entry.size,
        ...(dataDir === undefined ? {} : { dataDir }),
        ...(weights === undefined ? {} : { weights }),
      });
      const opened = await openDeviceOf(flags);
      const path = out ?? nextRunDirectory("runs", model);
      const view = json ? jsonReporter() : terminalReporter(config.epochs);
      const difference = differenceFromNotebook(recipe, config);
      if (difference) view.note(difference);
      const data = await loadData(config, view.note);
      view.note(`${model} on ${data.source}`);
      view.note(`device: ${opened.name}, ${opened.description}`);
      try {
        const outcome = await runTraining(
          config,
          data,
          opened,
          path,
          view,
          json ? {} : { progressSeconds: 1 },
        );
        if (json) printJson({ event: "done", run: path, recipe, stopped: outcome.stopped });
        else if (outcome.stopped)
          view.note(
            `Stopped after step ${outcome.steps}; weights are in ${path}.\n${continueHint(config, path, outcome.epochs.length)}`,
          );
        else
          view.note(
            `Done (recipe ${recipe}): ${path} holds model.safetensors, metrics.jsonl and curves.svg.`,
          );
      } finally {
        if ("stop" in view) (view as { stop(): void }).stop();
      }
    });
}
