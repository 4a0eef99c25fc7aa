import { expect, test } from "vitest";
import { chosenNames } from "../../src/experiments/names.js";

test("names are found whatever the case, those with commas of their own too", () => {
  const known = ["no dropout", "no dropout, no augmentation", "AlexNet"];
  const chosen = (text: string): string[] => chosenNames("variant", known, text.split(/, */));
  expect(chosen("alexnet,no dropout, no augmentation")).toEqual(["AlexNet", "no dropout, no augmentation"]);
  expect(chosen("no dropout,AlexNet")).toEqual(["no dropout", "AlexNet"]);
  expect(chosen("no dropout,no dropout, no augmentation")).toEqual(known.slice(0, 2));
  expect(chosenNames("variant", known, undefined)).toEqual(known);
  expect(() => chosen("no dropout, no augmentation, no luck")).toThrow(
    'there is no variant "no luck"; choose of no dropout, no dropout, no augmentation, AlexNet',
  );
});
