import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fans, kaimingNormal, kaimingUniform } from "../../src/nn/init.js";
import { manualSeed } from "../../src/ops/random.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { testDevices } from "../support/test_devices.js";

interface Scale {
  shape: number[];
  fanIn: number;
  fanOut: number;
  std: number;
  bound: number;
}

const { initializers }: { initializers: Scale[] } = JSON.parse(
  readFileSync(new URL("../fixtures/recipes.json", import.meta.url), "utf8"),
);

for (const [name, device] of await testDevices()) {
  describe(`Kaiming weights on ${name} have PyTorch's scale`, () => {
    test.each(initializers)("$shape", async ({ shape, fanIn, fanOut, std, bound }) => {
      useDevice(device);
      manualSeed(1);
      expect(fans(shape)).toEqual({ fanIn, fanOut });
      const uniform = (await kaimingUniform(shape).data()) as Float32Array;
      const largest = uniform.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expect(largest).toBeLessThanOrEqual(bound * (1 + 1e-6));
      expect(largest).toBeGreaterThan(0.999 * bound);
      for (const values of [uniform, (await kaimingNormal(shape).data()) as Float32Array]) {
        const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
        const square = values.reduce((sum, value) => sum + value * value, 0) / values.length;
        // Of 30,000 draws or more, the deviation errs by 0.4 % and the mean by 0.6 % of it: five times that.
        expect(Math.abs(Math.sqrt(square) / std - 1)).toBeLessThan(0.02);
        expect(Math.abs(mean) / std).toBeLessThan(0.03);
      }
    });
  });
}
