import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { philox4x32 } from "../../src/core/scalar.js";
import { openReference } from "../../src/devices/reference/reference.js";
import { rand, randn } from "../../src/ops/random.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { randomBits } from "../support/random_bits.js";
import { testDevices } from "../support/test_devices.js";

interface Known {
  knownAnswers: { counter: [number, number, number, number]; key: [number, number]; words: number[] }[];
  uniforms: { draw: number; seed: number; word0: number[] }[];
}

const known: Known = JSON.parse(readFileSync(new URL("../fixtures/philox.json", import.meta.url), "utf8"));

test("Philox4x32-10 gives Random123's known answers", () => {
  for (const { counter, key, words } of known.knownAnswers) expect(philox4x32(counter, key)).toEqual(words);
});

for (const [name, device] of await testDevices({ all: true })) {
  test(`uniform numbers on ${name} are Philox's, bit for bit`, async () => {
    useDevice(device);
    for (const { draw, seed, word0 } of known.uniforms) {
      const values = await rand([word0.length], { draw, seed }).data();
      expect([...values]).toEqual(word0.map((word) => (word >>> 8) * 2 ** -24));
    }
  });

  test(`dropout masks and uniform numbers on ${name} are the reference device's, bit for bit`, async () => {
    useDevice(openReference());
    const expected = await randomBits();
    useDevice(device);
    expect(await randomBits()).toEqual(expected);
    expect(new Set(expected.mask)).toEqual(new Set([0, 2]));
  });

  test(`normal numbers on ${name} have mean 0, deviation 1 and normal tails`, async () => {
    useDevice(device);
    const values = [...(await randn([10_000]).data())];
    const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
    const beyond2 = values.filter((v) => Math.abs(v) > 2).length / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.05);
    expect(Math.abs(deviation - 1)).toBeLessThan(0.03);
    expect(Math.abs(beyond2 - 0.0455)).toBeLessThan(0.01);
  });
}
