import { type Command, InvalidArgumentError, Option } from "commander";
import { shellCommand } from "../core/command_line.js";
import type { Normalization } from "../data/index.js";
import { convolutionAlgorithms, type Device } from "../devices/device.js";
import {
  type DeviceName,
  type DeviceOptions,
  deviceNames,
  openDevice,
  variantOptions,
} from "../devices/open.js";
import { modelNames } from "../models/index.js";
import { augmentationOf } from "../train/recipes.js";

/** What a model argument may be. */
export const modelHelp = `${modelNames.join(", ")}, or your own file such as ./my-model.ts`;

/** Parsers of option values; each throws a sentence that the command line shows. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isSafeInteger(value) || value < least || value > most)
      throw new InvalidArgumentError(`Give a whole number ${range}.`);
    return value;
  };
}

export function numberFrom(least: number, isIncluded = true): (text: string) => number {
  return (text) => {
    const value = Number(text);
    const isAllowed = isIncluded ? value >= least : value > least;
    if (text.trim() === "" || !Number.isFinite(value) || !isAllowed) {
      throw new InvalidArgumentError(`Give a number ${isIncluded ? "of at least" : "above"} ${least}.`);
    }
    return value;
  };
}

/** A number from 0 to 1, or up to 1 without 1 itself. */
export function share(isOneIncluded: boolean): (text: string) => number {
  return (text) => {
    const value = Number(text);
    const isAllowed = value >= 0 && (isOneIncluded ? value <= 1 : value < 1);
    if (text.trim() === "" || !isAllowed)
      throw new InvalidArgumentError(
        `Give a number of at least 0 and ${isOneIncluded ? "at most" : "below"} 1.`,
      );
    return value;
  };
}

/** A number above 0, or "none" for false. */
export function numberOrNone(text: string): number | false {
  if (text === "none") return false;
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value <= 0)
    throw new InvalidArgumentError("Give a number above 0, or none.");
  return value;
}

/** How often something happens: 500 (steps), 30s, 5min or 1h. */
export function interval(text: string): { steps: number } | { seconds: number } {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(|s|min|h)$/.exec(text) ?? [];
  const amount = Number(digits);
  if (!(amount > 0) || (unit === "" && !Number.isSafeInteger(amount)))
    throw new InvalidArgumentError("Give a number of steps such as 500, or a time such as 30s, 5min or 1h.");
  if (unit === "") return { steps: amount };
  return { seconds: amount * (unit === "s" ? 1 : unit === "min" ? 60 : 3600) };
}

/** How pixels are normalized: not at all, by the data set's own figures, or by those given. */
export function normalization(text: string): boolean | Normalization {
  if (text === "none" || text === "data") return text === "data";
  const [mean, std, ...more] = text
    .split(",")
    .map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  const isSound = Number.isFinite(mean) && Number.isFinite(std) && std! > 0 && more.length === 0;
  if (!isSound)
    throw new InvalidArgumentError("Give none, data, or mean and deviation (above 0) such as 0.286,0.353.");
  return { mean: mean!, std: std! };
}

/** A list such as crop:2,flip; "none" is the empty one. */
export function augmentations(text: string): string[] {
  const words = text === "none" ? [] : text.split(",").map((word) => word.trim());
  try {
    augmentationOf(words);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return words;
}

/** Of commands that use a run's network. */
export const weightsOption = [
  "--weights <file>",
  "use these weights, such as a checkpoint of the run's, in place of its last ones",
] as const;

/** Names with commas between. */
export function names(text: string): string[] {
  return text.split(",").map((name) => name.trim());
}

/** What was typed, without the program's path. */
export function commandLine(): string {
  return shellCommand(...process.argv.slice(2));
}

/** Flags that say what computes, the same for every command. */
export interface DeviceFlags extends DeviceOptions {
  device: DeviceName;
}

export function addDeviceOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--device <name>", "where to compute; auto takes the fastest")
        .choices(deviceNames)
        .default("auto"),
    )
    .option("--threads <n>", "threads of the devices cpu and wasm (default: all cores)", wholeNumber(1))
    .addOption(
      new Option(
        "--convolution <how>",
        "how convolutions are computed: the fastest way, never by Winograd, by Winograd wherever it applies",
      )
        .choices(convolutionAlgorithms)
        .default("auto"),
    )
    .addOption(
      new Option(
        "--variant <name>",
        "of the device webgpu, how kernels are cut up: the fastest, the fastest measured anew, or one by name",
      )
        .choices(variantOptions)
        .default("auto"),
    );
}

/** Flags of commands that make many results and keep them. */
export interface ExperimentFlags extends DeviceFlags {
  dataDir?: string;
  out?: string;
  json?: true;
}

export function addExperimentOptions(command: Command): Command {
  command.option("--data-dir <dir>", "folder that holds the four IDX files of Fashion-MNIST");
  return addDeviceOptions(command)
    .option("--out <dir>", "where results are kept; what is there already is not run again")
    .option("--json", "print one JSON object a line and nothing else");
}

export function openDeviceOf({ device, ...options }: DeviceFlags): Promise<Device> {
  return openDevice(device, options);
}

/** What computes, and a sentence where something faster could not be had. */
export function deviceText({ name, description, standIn }: Device): string {
  return `${name}, ${description}${standIn === undefined ? "" : `\n${standIn}`}`;
}
