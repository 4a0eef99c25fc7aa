import { describe, expect, test } from "vitest";
import { openReference } from "../../src/devices/reference/reference.js";
import { testDevices } from "../support/test_devices.js";
import { graphDifferences, leftBehind, plain, settings } from "./random_graph.js";

const seeds = Array.from({ length: 60 }, (_, i) => i + 1);

describe("the compiler's passes change no bit on the reference device", () => {
  const channelsLast = { ...openReference(), traits: { channelsLast: true } };
  test.each(seeds)("random graph %i", async (seed) => {
    const expected = await leftBehind(seed, openReference(), plain);
    for (const [name, passes] of settings) {
      for (const device of [openReference(), channelsLast]) {
        const actual = await leftBehind(seed, device, passes);
        expect(actual, `${name}, channelsLast ${device.traits.channelsLast}`).toEqual(expected);
      }
    }
  });
});

const tested = await testDevices({ all: true });
for (const [name, device] of tested.filter(([device]) => device !== "reference")) {
  // A GPU compiles a shader a step, a second a graph: few graphs, and both passes or none.
  const isGpu = name === "webgpu";
  test.each(isGpu ? seeds.slice(0, 2) : seeds)(`random graph %i on ${name}`, async (seed) => {
    expect(await graphDifferences(seed, device, { each: !isGpu })).toEqual([]);
  });
}
