import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { useDevice } from "../../src/tensor/evaluate.js";
import { testDevices } from "../support/test_devices.js";
import { type Case, disagreements } from "./check_case.js";
import { notOperations, operationModules, operations } from "./operations.js";

const cases: Case[] = JSON.parse(readFileSync(new URL("./cases.json", import.meta.url), "utf8"));

for (const [name, device] of await testDevices({ all: true })) {
  describe(`operations on ${name} agree with PyTorch`, () => {
    test.each(cases.map((one) => [one.name, one] as const))("%s", async (_, one) => {
      useDevice(device);
      expect(await disagreements(one)).toEqual([]);
    });
  });
}

test("every operation has cases", () => {
  const covered = new Set(cases.map((one) => one.op));
  // Compositions of a reshape or a permutation, whose cases cover them.
  for (const name of ["unsqueeze", "transpose"]) covered.add(name);
  const exported = Object.values(operationModules)
    .flatMap((module) => Object.keys(module))
    .filter((name) => !notOperations.has(name) && !name.endsWith("Gradient"));
  expect(exported.filter((name) => !(name in operations))).toEqual([]);
  expect(exported.filter((name) => !covered.has(name))).toEqual([]);
});
