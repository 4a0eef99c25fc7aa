import { join } from "node:path";
import type { Command } from "commander";
import { atomicWrite } from "../core/atomic_write.js";
import { loadImageSet } from "../data/index.js";
import {
  runStudy,
  type Study,
  type StudyName,
  type StudyOptions,
  studies,
  studyNames,
  type VariantSummary,
  variantNames,
} from "../experiments/ablation.js";
import { provenanceOf } from "../experiments/kept.js";
import { chosenNames } from "../experiments/names.js";
import { useDevice } from "../tensor/evaluate.js";
import { duration } from "../train/progress.js";
import { untilInterrupted } from "./interrupt.js";
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

interface AblateFlags extends ExperimentFlags {
  sample?: true;
  images?: number;
  epochs?: number;
  seeds?: number;
  only?: string[];
}

export function addAblate(program: Command): void {
  const command = program
    .command("ablate")
    .description("measure what AlexNet changed: networks with one change each, trained on few images")
    .addArgument(program.createArgument("[study]", studyHelp()).choices(studyNames).default("lenet"))
    .option("--sample", "take the sample of 6,000 + 1,000 images that ships with Flybrick")
    .option("--images <n>", "training images; a fifth as many choose the learning rate", wholeNumber(10))
    .option("--epochs <n>", "passes over them", wholeNumber(1))
    .option("--seeds <n>", "trials of each variant at its best learning rate", wholeNumber(1))
    .option("--only <variants>", "some of the variants, by name, with commas between", names);
  addExperimentOptions(command).action(async (name: StudyName, flags: AblateFlags) => {
    const study = adapted(studies[name], flags);
    // A wrong name is told of before anything is loaded.
    const only = flags.only && chosenNames("variant", variantNames(study), flags.only);
    const out = flags.out ?? join("runs", `ablate-${name}`);
    const device = await openDeviceOf(flags);
    useDevice(device);
    const data = await loadImageSet({
      name: "fashion-mnist",
      ...(flags.sample ? { sample: true } : {}),
      ...(flags.dataDir === undefined ? {} : { directory: flags.dataDir }),
    });
    const note = (text: string): void => {
      if (!flags.json) console.log(text);
    };
    const { setting } = study;
    note(`${study.title}: ${setting.images.toLocaleString("en-US")} images, ${epochsText(setting.epochs)}`);
    note(data.source);
    note(`device: ${deviceText(device)}`);
    const onTrial: StudyOptions["onTrial"] = (trial, { done, total, isKept }) => {
      const { layers: _layers, epochs: _epochs, ...figures } = trial;
      if (flags.json) return printJson({ event: "trial", done, total, isKept, ...figures });
      const { variant, learningRate, seed, testAccuracy, seconds } = figures;
      const time = isKept ? "kept" : duration(seconds);
      note(
        `${done}/${total}  ${variant}, learning rate ${learningRate}, seed ${seed}: ${testAccuracy.toFixed(3)}  ${time}`,
      );
    };
    const summaries = await untilInterrupted((signal) =>
      runStudy(study, data, join(out, "trials"), { only, signal, onTrial }),
    );
    const rows = summaries.map(({ trials: _trials, ...row }) => row);
    const result = {
      study: name,
      command: commandLine(),
      setting,
      data: data.source,
      ...provenanceOf(summaries.flatMap(({ trials }) => trials)),
      variants: rows,
    };
    await atomicWrite(join(out, "summary.json"), `${JSON.stringify(result, undefined, 1)}\n`);
    const { ablationCharts } = await import("../experiments/ablation_charts.js");
    const charts = ablationCharts(summaries, study.title);
    for (const [file, svg] of Object.entries(charts)) await atomicWrite(join(out, file), svg);
    if (flags.json) for (const row of rows) printJson({ event: "variant", ...row });
    const percent = ({ mean, deviation }: { mean: number; deviation: number }): string =>
      setting.seeds.length === 1
        ? (100 * mean).toFixed(1)
        : `${(100 * mean).toFixed(1)} ± ${(100 * deviation).toFixed(1)}`;
    const header = ["variant", "test acc %", "train acc %", "learning rate", "to 75 % train", "parameters"];
    const table = rows.map((row) => [
      row.variant,
      percent(row.testAccuracy),
      `${percent(row.trainAccuracy)}${row.diverged > 0 ? ` (${row.diverged} diverged)` : ""}`,
      rateText(row),
      row.epochsToQuarterError === null ? "never" : epochsText(row.epochsToQuarterError),
      row.parameters.toLocaleString("en-US"),
    ]);
    note(`\n${alignedLines([header, ...table], 1).join("\n")}`);
    note(`\n${out} holds summary.json, ${Object.keys(charts).join(", ")} and the trials.`);
  });
}

function epochsText(count: number): string {
  return count === 1 ? "1 epoch" : `${count} epochs`;
}

function studyHelp(): string {
  return studyNames.map((name) => `${name}: ${studies[name].title}`).join("; ");
}

/** The learning rate, and whether a smaller or larger one than those tried might be better still. */
function rateText({ learningRate, learningRates }: Omit<VariantSummary, "trials">): string {
  if (learningRates.length === 1) return `${learningRate}`;
  if (learningRate === learningRates[0]) return `${learningRate} (smallest)`;
  return `${learningRate}${learningRate === learningRates.at(-1) ? " (largest)" : ""}`;
}

/** A study with what the flags change of it. */
function adapted(study: Study, { images, epochs, seeds }: AblateFlags): Study {
  return {
    ...study,
    setting: {
      ...study.setting,
      ...(images === undefined ? {} : { images, validationImages: Math.ceil(images / 5) }),
      ...(epochs === undefined ? {} : { epochs }),
      ...(seeds === undefined ? {} : { seeds: Array.from({ length: seeds }, (_, k) => k) }),
    },
  };
}
