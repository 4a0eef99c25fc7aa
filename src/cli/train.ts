import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { UserError } from "../core/errors.js";
import type { ImageSetName } from "../data/index.js";
import { openRun, readStanding, requireSameModel, type SavedRun } from "../deploy/saved_run.js";
import type { Device } from "../devices/device.js";
import type { ProcessGroup } from "../distributed/process_group.js";
import { loadModel, modelChecksum, modelTitle } from "../models/model_file.js";
import { useDevice } from "../tensor/evaluate.js";
import type { ExchangeFigures } from "../train/exchange.js";
import { isWhole } from "../train/finished_run.js";
import { Ranks } from "../train/ranks.js";
import {
  augmentationNames,
  initializerNames,
  optimizerNames,
  type RecipeName,
  type RecipeSettings,
  recipeNames,
  recipeOptions,
  recipes,
  scheduleNames,
} from "../train/recipes.js";
import type { RunConfig } from "../train/run_config.js";
import { nextRunDirectory } from "../train/run_directory.js";
import { type DistributedName, distributedNames, threadsOf, together } from "./distributed.js";
import { stoppedCode } from "./interrupt.js";
import {
  addDeviceOptions,
  augmentations,
  type DeviceFlags,
  deviceText,
  interval,
  modelHelp,
  normalization,
  numberFrom,
  numberOrNone,
  openDeviceOf,
  share,
  wholeNumber,
} from "./options.js";
import { differenceFromNotebook, recipeHelp, recipeTitle } from "./recipe_words.js";
import { jsonReporter, printJson, silentReporter, terminalReporter } from "./reporters.js";
import { inNumbers, loadData, runTraining, stoppedText } from "./training_run.js";

interface TrainFlags extends Partial<RecipeSettings>, DeviceFlags {
  data: ImageSetName;
  dataDir?: string;
  sample?: true;
  resize?: number;
  epochs: number;
  microBatch?: number;
  recipe: RecipeName;
  seed: number;
  weights?: string;
  out?: string;
  checkpointEvery: NonNullable<RunConfig["checkpointEvery"]>;
  keepCheckpoints: number;
  earlyStopping?: number;
  resume?: string;
  distributed?: DistributedName;
  json?: true;
}

export function addTrain(program: Command): void {
  const command = program
    .command("train")
    .description("train a model and keep its weights, metrics and curves in a run directory")
    .argument("[model]", modelHelp)
    .option("--resume <run>", "go on with a run that was stopped or killed, as if it never had been")
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
        "how it is trained: as in the notebook, or fast or best, made for alexnet; see below",
      )
        .choices(recipeNames)
        .default("notebook"),
    )
    .option("--batch-size <n>", "examples a step", wholeNumber(1))
    .option(
      "--micro-batch <n>",
      "examples that go through the network at once; gradients add up to the batch's (default: all, or as many as memory takes)",
      wholeNumber(1),
    )
    .addOption(new Option("--optimizer <name>", "how weights change").choices(optimizerNames))
    .option("--learning-rate <x>", "size of a step", numberFrom(0, false))
    .option("--momentum <x>", "share of the last step that is kept (sgd)", numberFrom(0))
    .option("--nesterov", "look ahead along the momentum (sgd)")
    .option("--no-nesterov", "do not, whatever the recipe says")
    .option("--weight-decay <x>", "L2 penalty", numberFrom(0))
    .addOption(
      new Option("--schedule <name>", "how the learning rate moves over the run").choices(scheduleNames),
    )
    .option(
      "--warmup-steps <n>",
      "steps up to the learning rate (cosine), at most a third of the run",
      wholeNumber(0),
    )
    .option("--early-stopping <epochs>", "end after so many without a better test accuracy", wholeNumber(1))
    .option("--clip-grad-norm <x>", "largest norm of all gradients together, or none", numberOrNone)
    .addOption(new Option("--initializer <name>", "how weights are drawn").choices(initializerNames))
    .option("--normalize <how>", "pixels: none, data (its own figures), or mean,std", normalization)
    .option(
      "--augment <list>",
      `changes of training images, or none: ${augmentationNames.join(", ")}; amounts as in crop:2,flip`,
      augmentations,
    )
    .option("--mixup <alpha>", "mix examples in pairs by shares of Beta(alpha, alpha); 0 is off", share(true))
    .option("--label-smoothing <x>", "share of the target that all classes have alike", share(true))
    .option("--ema-decay <x>", "of a moving average of the weights, such as 0.999; 0 is off", share(false))
    .option("--seed <n>", "decides weights, dropout and the order of the data", wholeNumber(0), 0)
    .option("--weights <file>", "start from these weights (safetensors) instead of random ones");
  addDeviceOptions(command)
    .addOption(
      new Option(
        "--distributed <how>",
        "train as one of the processes that mpirun started, each on its part of every batch; see docs/distributed.md",
      ).choices(distributedNames),
    )
    .option("--out <dir>", "run directory (default: runs/<model>)")
    .addOption(
      new Option(
        "--checkpoint-every <when>",
        "steps such as 500, or a time such as 30s; each epoch's end as well",
      )
        .argParser(interval)
        .default({ seconds: 300 }, "5min"),
    )
    .option("--keep-checkpoints <n>", "newest checkpoints kept beside the best", wholeNumber(1), 2)
    .option("--json", "print one JSON object a line and nothing else")
    .addHelpText("after", recipeHelp())
    .action(async (model: string | undefined, flags: TrainFlags, command: Command) => {
      if (flags.resume === undefined && model === undefined)
        throw new UserError(`name a model (${modelHelp}), or a run by --resume`);
      await together(flags, (group) => {
        const own = group ? { ...flags, threads: flags.threads ?? threadsOf(group) } : flags;
        return flags.resume === undefined
          ? begin(model!, own, group)
          : resume(flags.resume, model, own, command, group);
      });
    });
}

/** Trains anew. */
async function begin(model: string, flags: TrainFlags, group?: ProcessGroup): Promise<void> {
  const {
    dataDir,
    sample,
    resize,
    weights,
    microBatch,
    threads: _threads,
    device: _device,
    variant: _variant,
    out,
    json: _json,
    resume: _resume,
    distributed: _distributed,
    recipe,
    ...rest
  } = flags;
  const settings = { ...recipes[recipe], ...rest };
  requireEffect(flags, settings);
  // For what it throws on numbers that do not go together, before anything is loaded.
  recipeOptions(settings);
  const opened = await openDeviceOf(flags);
  useDevice(opened);
  const { size } = await loadModel(model, flags.seed);
  const checksum = await modelChecksum(model);
  const config = inNumbers({
    ...settings,
    recipe,
    // Paths are whole, since a run may be gone on with from another folder.
    model: checksum === undefined ? model : resolve(model),
    sample: sample ?? false,
    resize: resize ?? size,
    ...(microBatch === undefined ? {} : { microBatchSize: microBatch }),
    ...(dataDir === undefined ? {} : { dataDir: resolve(dataDir) }),
    ...(weights === undefined ? {} : { weights: resolve(weights) }),
    ...(checksum === undefined ? {} : { modelChecksum: checksum }),
    ...(opened.variants === undefined ? {} : { variants: opened.variants }),
  });
  const path = out ?? nextRunDirectory("runs", modelTitle(model));
  await runAndReport(config, opened, path, flags, group);
}

/** Throws a UserError on a flag that another setting leaves without effect. */
function requireEffect(flags: TrainFlags, { optimizer, schedule }: RecipeSettings): void {
  const { momentum, nesterov, warmupSteps, initializer, weights } = flags;
  const refuse = (flag: string, because: string, instead: string): never => {
    throw new UserError(`${flag} has no effect with ${because}: leave it out, or ${instead}.`);
  };
  if (momentum && optimizer !== "sgd")
    refuse("--momentum", `--optimizer ${optimizer}`, "take --optimizer sgd");
  if (nesterov && optimizer !== "sgd")
    refuse("--nesterov", `--optimizer ${optimizer}`, "take --optimizer sgd");
  if (warmupSteps && schedule !== "cosine")
    refuse("--warmup-steps", `--schedule ${schedule}`, "take --schedule cosine");
  if (initializer && weights) refuse("--initializer", "--weights", "draw new weights without --weights");
}

/** Flags that may differ from one sitting to the next. */
const sittingFlags = ["resume", "threads", "device", "dataDir", "distributed", "json"];

/** Goes on with a run as its configuration says. */
async function resume(
  path: string,
  model: string | undefined,
  flags: TrainFlags,
  command: Command,
  group?: ProcessGroup,
): Promise<void> {
  const given = command.options.filter((option) => {
    const name = option.attributeName();
    return command.getOptionValueSource(name) === "cli" && !sittingFlags.includes(name);
  });
  const extra = model ?? given[0]?.long;
  if (extra !== undefined)
    throw new UserError(
      `--resume takes everything from ${path}/config.json: leave out ${extra}, or train anew with it.`,
    );
  // The run's directory may lie on rank 0's host alone.
  let run: SavedRun | undefined;
  const config = await new Ranks(group).share(async () => {
    run = await openRun(path, flags);
    return (await isFinished(run, path, flags)) ? null : run.config;
  });
  if (!config) return;
  const { convolution = "auto", variants: variant = "auto" } = config;
  const opened = await openDeviceOf({ ...flags, convolution, variant });
  await runAndReport(config, opened, path, flags, group, { run });
}

/** Whether nothing is left to do, which is then said. Throws a UserError where a run cannot be gone on with. */
async function isFinished(run: SavedRun, path: string, { json }: TrainFlags): Promise<boolean> {
  const { config } = run;
  const { finished, epochs } = await readStanding(run);
  const warn = (message: string): void => void process.stderr.write(`Warning: ${message}\n`);
  if (finished && (await isWhole(run.directory, warn))) {
    if (json) printJson({ event: "done", run: path, recipe: config.recipe, stopped: false, finished: true });
    else console.log(`${path} is finished, with ${epochs.length} epochs: nothing is left to do.`);
    return true;
  }
  if (config.checkpointEvery === undefined)
    throw new UserError(
      `${path} was begun by a version of Flybrick that wrote no checkpoints: train anew from its weights by --weights ${path}/model.safetensors.`,
    );
  await requireSameModel(run);
  return false;
}

/** Says so where a run was begun on a device that may compute other bits; the number of threads decides none. */
function deviceWarning({ directory }: SavedRun, device: Device): string | undefined {
  const { device: name, deviceDescription } = directory.config;
  const kind = (name: unknown, description: unknown): string =>
    `${name}, ${description}`.replace(/, \d+ threads?\b/, "");
  if (name === undefined || kind(name, deviceDescription) === kind(device.name, device.description))
    return undefined;
  return `Warning: ${directory.path} was begun on ${name}, ${deviceDescription}: its bits may differ from an uninterrupted run's.`;
}

async function runAndReport(
  config: RunConfig,
  device: Device,
  path: string,
  { json }: Pick<TrainFlags, "json">,
  group?: ProcessGroup,
  resumed?: { readonly run: SavedRun | undefined },
): Promise<void> {
  const { recipe, model } = config;
  const ranks = new Ranks(group);
  const view = !ranks.isFirst ? silentReporter() : json ? jsonReporter() : terminalReporter(config);
  const difference = differenceFromNotebook(recipe, config);
  if (difference) view.note(difference);
  // One after the other, so that what has to be downloaded is downloaded once.
  const first = ranks.isFirst ? await loadData(config, view.note) : undefined;
  await ranks.sum([]);
  const data = first ?? (await loadData(config, view.note));
  view.note(`${modelTitle(model)} on ${data.source}`);
  view.note(`device: ${deviceText(device)}`);
  if (group) view.note(ranksText(group));
  view.note(`run: ${path}`);
  const warning = resumed?.run && deviceWarning(resumed.run, device);
  if (warning) view.note(warning);
  try {
    const outcome = await runTraining(config, data, device, path, view, {
      resume: resumed !== undefined,
      ...(group ? { group } : {}),
      ...(json ? {} : { progressSeconds: 1 }),
    });
    view.stop();
    if (outcome.stopped) process.exitCode = stoppedCode;
    if (outcome.exchange) view.note(exchangeText(outcome.exchange));
    if (!ranks.isFirst) return;
    if (json) printJson({ event: "done", run: path, recipe, stopped: outcome.stopped });
    else if (outcome.stopped) view.note(stoppedText(outcome.steps, path));
    else
      view.note(
        `Done (recipe ${recipeTitle(config)}): ${path} holds model.safetensors, metrics.jsonl and curves.svg.`,
      );
  } finally {
    view.stop();
  }
}

function ranksText({ size, localSize, description }: ProcessGroup): string {
  const there = localSize === size ? "" : `, ${localSize} of them on this host`;
  return `${size} ${size === 1 ? "rank" : "ranks"}${there}, by ${description}`;
}

/** How gradients went between ranks, a step. */
function exchangeText({ steps, bytes, buckets, summing, waiting, exposed }: ExchangeFigures): string {
  const milliseconds = (seconds: number): string => `${((seconds * 1000) / steps).toFixed(1)} ms`;
  const hidden = Math.max(0, 1 - exposed / Math.max(1e-9, summing + waiting));
  return `gradients: ${(bytes / 2 ** 20).toFixed(1)} MiB a step in ${buckets} ${buckets === 1 ? "part" : "parts"}; summed in ${milliseconds(summing)}, waited ${milliseconds(waiting)} for other ranks, ${Math.round(100 * hidden)} % of both behind the backward pass`;
}
