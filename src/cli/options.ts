import { InvalidArgumentError } from "commander";
import { UserError } from "../core/errors.js";
import type { Device } from "../devices/device.js";
import { type DeviceName, openDevice } from "../devices/open.js";
import { adam, adamw, type OptimizerRecipe, sgd } from "../optim/index.js";

/** Parsers of option values; each throws a sentence that the command line shows. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`Give a whole number of at least ${least}.`);
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

export interface OptimizerChoice {
  readonly optimizer: string;
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

export const optimizerNames = ["sgd", "adam", "adamw"];

export function optimizerOf({
  optimizer,
  learningRate,
  momentum,
  weightDecay,
}: OptimizerChoice): OptimizerRecipe {
  switch (optimizer) {
    case "sgd":
      return sgd({ learningRate, momentum, weightDecay });
    case "adam":
      return adam({ learningRate, weightDecay });
    case "adamw":
      return adamw({ learningRate, weightDecay });
    default:
      throw new UserError(
        `there is no optimizer named ${JSON.stringify(optimizer)}; choose one of ${optimizerNames.join(", ")}`,
      );
  }
}

export function deviceOf(name: string, threads: number | undefined): Promise<Device> {
  return openDevice(name as DeviceName, threads === undefined ? {} : { threads });
}
