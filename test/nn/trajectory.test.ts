import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { alexnet } from "../../src/models/alexnet.js";
import { lenet } from "../../src/models/lenet.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { testDevices } from "../support/test_devices.js";
import { smallAlexnet } from "./networks.js";
import { departures, shortened, type Trajectory } from "./trajectory.js";

function fixture(name: string): Trajectory {
  return JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), "utf8"));
}

for (const [name, device] of await testDevices({ all: true })) {
  describe(`training on ${name} follows PyTorch`, () => {
    test("LeNet: every gradient, ten losses", async () => {
      useDevice(device);
      expect(await departures(lenet(), fixture("lenet"))).toEqual([]);
    });
    test("LeNet by a recipe (normalized, Nesterov, decayed, clipped, scheduled): ten losses", async () => {
      useDevice(device);
      expect(await departures(lenet(), fixture("lenet_recipe"))).toEqual([]);
    });
    test("AlexNet with an eighth of the channels: every gradient, ten losses", async () => {
      useDevice(device);
      const expected = fixture("alexnet_small");
      // Plain loops take a second a step here, and so does a GPU in software: they follow for two.
      const followed = name === "cpu" ? expected : shortened(expected, 2);
      expect(await departures(smallAlexnet(), followed)).toEqual([]);
    });
    if (name !== "cpu") return;
    test("the full AlexNet: every gradient of a step", async () => {
      useDevice(device);
      expect(await departures(alexnet(), fixture("alexnet_full"))).toEqual([]);
    });
  });
}
