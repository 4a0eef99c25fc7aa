import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import * as nn from "../../src/nn/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { tensor } from "../../src/tensor/tensor.js";
import { loadWeights, saveWeights } from "../../src/train/weights.js";
import { relativeError } from "../support/compare.js";
import { testDevices } from "../support/test_devices.js";
import { tolerances } from "../support/tolerances.js";

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const { x, y }: { x: number[]; y: number[] } = JSON.parse(
  await readFile(fixture("safetensors.json"), "utf8"),
);
const work = await mkdtemp(join(tmpdir(), "flybrick-weights-"));
afterAll(() => rm(work, { recursive: true, force: true }));

/** make_safetensors.py's network. */
function network(): nn.Sequential {
  return nn.sequential(
    [1, 8, 8],
    nn.conv2d(1, 3, { kernelSize: 3, padding: 1 }),
    nn.sigmoid(),
    nn.avgPool2d({ kernelSize: 2, stride: 2 }),
    nn.flatten(),
    nn.linear(48, 5),
    nn.relu(),
    nn.linear(5, 4, { bias: false }),
  );
}

for (const [name, device] of await testDevices())
  describe(`weights on ${name}`, () => {
    test("from PyTorch load unchanged, and the network computes the same", async () => {
      useDevice(device);
      const net = network();
      await loadWeights(net, fixture("pytorch.safetensors"));
      const out = await net.forward(tensor(x, [2, 1, 8, 8])).data();
      expect(relativeError(out, y)).toBeLessThan(tolerances.transcendental);
    });

    test("are written as PyTorch reads them: the bytes that make_safetensors.py holds to PyTorch", async () => {
      useDevice(device);
      const net = network();
      await loadWeights(net, fixture("pytorch.safetensors"));
      const path = join(work, "ours.safetensors");
      await saveWeights(net, path);
      if (process.env.FLYBRICK_WRITE_FIXTURES) await copyFile(path, fixture("flybrick.safetensors"));
      expect((await readFile(path)).equals(await readFile(fixture("flybrick.safetensors")))).toBe(true);
    });
  });
