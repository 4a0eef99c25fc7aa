import type { Command } from "commander";
import { UserError } from "../core/errors.js";
import { type LoadOptions, loadImageSet } from "../data/index.js";
import { Classifier } from "../deploy/classifier.js";
import type { Guess } from "../deploy/classify.js";
import type { ImageInput } from "../deploy/image.js";
import { loadTrained } from "../deploy/saved_run.js";
import { useDevice } from "../tensor/evaluate.js";
import { mayColour } from "../train/progress.js";
import { addDeviceOptions, type DeviceFlags, openDeviceOf, weightsOption, wholeNumber } from "./options.js";
import { printJson } from "./reporters.js";

interface PredictFlags extends DeviceFlags {
  testImage?: number[];
  dataDir?: string;
  sample?: true;
  weights?: string;
  invert?: true;
  json?: true;
}

/** An image, what to call it, and its class where that is known. */
interface Subject {
  readonly name: string;
  readonly image: ImageInput;
  readonly label?: string;
}

export function addPredict(program: Command): void {
  const parseNumber = wholeNumber(0);
  const command = program
    .command("predict")
    .description("name what is in images, with the weights of a run or with lenet, which ships")
    .argument("<run>", "run directory, or lenet for the weights that ship")
    .argument("[images...]", "PNG, JPEG or WebP files")
    .option("--invert", "turn light into dark first: for photos of dark things on white")
    .option(
      "--test-image <n>",
      "also take the n-th image of the test set, from 0; may be repeated",
      (text: string, before: number[] = []) => [...before, parseNumber(text)],
    )
    .option("--data-dir <dir>", "folder that holds the four IDX files (default: as trained)")
    .option("--sample", "take the shipped sample's test images")
    .option(...weightsOption);
  addDeviceOptions(command)
    .option("--json", "print one JSON object an image and nothing else")
    .action(async (run: string, files: string[], flags: PredictFlags) => {
      useDevice(await openDeviceOf(flags));
      const { net, data, model, ...options } = await loadTrained(run, flags);
      const classifier = new Classifier(net, options);
      const subjects: Subject[] = files.map((file) => ({ name: file, image: file }));
      if (flags.testImage) subjects.push(...(await testImages(data, flags.testImage)));
      if (subjects.length === 0) throw new UserError("there is nothing to predict: name an image file");
      for (const { name, image, label } of subjects) {
        // Images of the test set are as the network knows them.
        const invert = typeof image === "string" && (flags.invert ?? false);
        const guesses = await classifier.predict(image, { invert });
        const known = label === undefined ? {} : { label };
        if (flags.json) printJson({ image: name, ...known, run, model, guesses });
        else console.log(`${name}${label === undefined ? "" : ` (${label})`}\n${bars(guesses)}`);
      }
    });
}

async function testImages(from: LoadOptions, numbers: readonly number[]): Promise<Subject[]> {
  const { test, classNames } = await loadImageSet(from);
  const { images, labels, count, height, width } = test;
  return numbers.map((n) => {
    if (n >= count) throw new UserError(`there is no test image ${n}: give a number below ${count}`);
    const data = images.subarray(n * height * width, (n + 1) * height * width);
    return { name: `test image ${n}`, image: { data, height, width }, label: classNames[labels[n]!]! };
  });
}

/** A line a class; eighths of a block, cyan on a terminal that may have colours. */
function bars(guesses: readonly Guess[], width = 30): string {
  const useColour = mayColour(process.stdout);
  const longest = Math.max(...guesses.map(({ label }) => label.length));
  return guesses
    .map(({ label, probability }) => {
      const eighths = Math.round(8 * width * probability);
      const bar = "█".repeat(eighths >> 3) + " ▏▎▍▌▋▊▉".charAt(eighths & 7);
      const drawn = useColour ? `\u001b[36m${bar}\u001b[0m` : bar;
      return `  ${label.padEnd(longest)}  ${probability.toFixed(3)}  ${drawn}`.trimEnd();
    })
    .join("\n");
}
