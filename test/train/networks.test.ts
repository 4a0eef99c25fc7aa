import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { alexnet, lenet } from "../../src/models/index.js";
import type * as nn from "../../src/nn/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { tensor } from "../../src/tensor/tensor.js";
import { encodeSafetensors, type StoredTensor } from "../../src/train/safetensors.js";
import { loadWeights, saveWeights } from "../../src/train/weights_file.js";
import { relativeError } from "../support/compare.js";
import { testDevices } from "../support/test_devices.js";
import { tolerances } from "../support/tolerances.js";

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const work = await mkdtemp(join(tmpdir(), "flybrick-networks-"));
afterAll(() => rm(work, { recursive: true, force: true }));

/** Numbers in [-0.5, 0.5), as make_networks.py makes them, by a factor. */
function formula(count: number, start: number, factor: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count);
  for (let k = 0; k < count; k++) {
    let n = Math.imul(start + k, 2654435761);
    n = Math.imul(n ^ (n >>> 15), 2246822519);
    n ^= n >>> 13;
    values[k] = ((n >>> 0) / 2 ** 32 - 0.5) * factor;
  }
  return values;
}

const networks: Record<"lenet" | "alexnet", { pytorch: string; flybrick: string; logits: number[] }> =
  JSON.parse(await readFile(fixture("networks.json"), "utf8"));
const checksum = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("the whole of", () => {
  test.each([
    ["lenet", lenet, 28],
    ["alexnet", alexnet, 224],
  ] as const)(
    "%s goes to PyTorch and comes from it, file and logits",
    { timeout: 120_000 },
    async (name, make, size) => {
      useDevice((await testDevices()).at(-1)![1]);
      const net: nn.Sequential = make();
      let start = 0;
      const tensors = new Map<string, StoredTensor>();
      for (const [name, { shape }] of net.namedParameters()) {
        const [, ...rest] = shape;
        const count = shape.reduce((all, one) => all * one, 1);
        const factor = Math.sqrt(6 / rest.reduce((all, one) => all * one, 1));
        tensors.set(name, {
          dtype: "F32",
          shape,
          data: new Uint8Array(formula(count, start, factor).buffer),
        });
        start += count;
      }
      // As safetensors.torch lays it out.
      const sorted = new Map([...tensors].sort(([a], [b]) => (a < b ? -1 : 1)));
      const pytorch = encodeSafetensors(sorted, { format: "pt" });
      expect(checksum(pytorch)).toBe(networks[name].pytorch);
      const path = join(work, `${name}.safetensors`);
      await writeFile(path, pytorch);
      await loadWeights(net, path);
      net.eval();
      const out = await net.forward(tensor(formula(2 * size * size, 7, 1), [2, 1, size, size])).data();
      expect(relativeError(out, networks[name].logits)).toBeLessThan(tolerances.transcendental);
      await saveWeights(net, path);
      expect(checksum(await readFile(path))).toBe(networks[name].flybrick);
      await rm(path);
    },
  );
});
