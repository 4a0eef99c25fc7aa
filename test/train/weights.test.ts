import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { lenet } from "../../src/models/lenet.js";
import * as nn from "../../src/nn/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { tensor } from "../../src/tensor/tensor.js";
import { decodeSafetensors, encodeSafetensors } from "../../src/train/safetensors.js";
import { decodeWeights, encodeWeights } from "../../src/train/weights.js";
import { loadWeights, saveWeights } from "../../src/train/weights_file.js";
import { relativeError } from "../support/compare.js";
import { testDevices } from "../support/test_devices.js";
import { tolerances } from "../support/tolerances.js";

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const { x, y }: { x: number[]; y: number[] } = JSON.parse(
  await readFile(fixture("safetensors.json"), "utf8"),
);
const shipped = fileURLToPath(new URL("../../weights/lenet/model.safetensors", import.meta.url));
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

/** That of torchvision_alexnet.safetensors, without the last `without` layers. */
function alexnet(without = 0): nn.Sequential {
  const conv = (from: number, to: number, kernelSize: number, stride = 1) => [
    nn.conv2d(from, to, { kernelSize, stride, padding: (kernelSize - 1) / 2 }),
    nn.relu(),
  ];
  const pool = () => nn.maxPool2d({ kernelSize: 3, stride: 2 });
  const layers = [
    ...[...conv(1, 4, 5, 2), pool(), ...conv(4, 6, 5), pool()],
    ...[...conv(6, 6, 3), ...conv(6, 6, 3), ...conv(6, 6, 3), pool()],
    ...[nn.flatten(), nn.dropout(), nn.linear(6, 8), nn.relu(), nn.dropout(), nn.linear(8, 8), nn.relu()],
    nn.linear(8, 5),
  ];
  return new nn.Sequential([1, 31, 31], ...layers.slice(0, layers.length - without)).eval();
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

    test("by torchvision's names of AlexNet go to the layers in order, and to no other network", async () => {
      useDevice(device);
      const path = fixture("torchvision_alexnet.safetensors");
      const net = alexnet();
      await loadWeights(net, path);
      const { x, y } = JSON.parse(await readFile(fixture("torchvision_alexnet.json"), "utf8"));
      const out = await net.forward(tensor(x as number[], [2, 1, 31, 31])).data();
      expect(relativeError(out, y)).toBeLessThan(tolerances.transcendental);
      await expect(loadWeights(alexnet(1), path)).rejects.toThrow(
        /holds torchvision's alexnet, with weights in 8 layers, but this network has them in 7/,
      );
      await expect(loadWeights(network(), path)).rejects.toThrow(
        /in 8 layers, but this network has them in 3/,
      );
    });

    test("by names of no known network are refused", async () => {
      useDevice(device);
      const { tensors } = decodeSafetensors(await readFile(fixture("torchvision_alexnet.safetensors")), "");
      const renamed = [...tensors].map(
        ([name, one]) => [name.replace("features.10", "features.12"), one] as const,
      );
      const path = join(work, "renamed.safetensors");
      await writeFile(path, encodeSafetensors(new Map(renamed)));
      await expect(loadWeights(alexnet(), path)).rejects.toThrow(/parameter 0\.weight .* is missing/);
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

    test("of AlexNet go to PyTorch, too", async () => {
      useDevice(device);
      const net = alexnet();
      await loadWeights(net, fixture("torchvision_alexnet.safetensors"));
      const path = join(work, "alexnet.safetensors");
      await saveWeights(net, path);
      if (process.env.FLYBRICK_WRITE_FIXTURES) await copyFile(path, fixture("flybrick_alexnet.safetensors"));
      expect((await readFile(path)).equals(await readFile(fixture("flybrick_alexnet.safetensors")))).toBe(
        true,
      );
    });

    test.each([
      ["PyTorch's, in half precision,", fixture("pytorch_lenet.safetensors"), "pytorch_lenet.json"],
      ["the one that ships", shipped, "flybrick_lenet.json"],
    ])("of LeNet, %s give PyTorch's outputs", async (_, path, outputs) => {
      useDevice(device);
      const net = lenet();
      await loadWeights(net, path);
      const { x, y } = JSON.parse(await readFile(fixture(outputs), "utf8"));
      const out = await net.forward(tensor(x as number[], [2, 1, 28, 28])).data();
      expect(relativeError(out, y)).toBeLessThan(tolerances.transcendental);
    });

    test("of the LeNet that ships are the bytes that saveWeights writes", async () => {
      useDevice(device);
      const net = lenet();
      await loadWeights(net, shipped);
      expect(Buffer.compare(await encodeWeights(net), await readFile(shipped))).toBe(0);
    });

    test("load with batch norm's count left out, and from every precision", async () => {
      useDevice(device);
      const path = fixture("pytorch_norm.safetensors");
      const { tensors } = decodeSafetensors(await readFile(path), path);
      expect(new Set([...tensors.values()].map(({ dtype }) => dtype))).toEqual(
        new Set(["F64", "I64", "F32", "F16", "BF16"]),
      );
      const net = nn
        .sequential(
          [1, 8, 8],
          nn.conv2d(1, 3, { kernelSize: 3 }),
          nn.batchNorm2d(3),
          nn.relu(),
          nn.flatten(),
          nn.linear(108, 4),
        )
        .eval();
      await loadWeights(net, path);
      const { y } = JSON.parse(await readFile(fixture("pytorch_norm.json"), "utf8"));
      const out = await net.forward(tensor(x, [2, 1, 8, 8])).data();
      expect(relativeError(out, y)).toBeLessThan(tolerances.transcendental);
    });

    test("of half precision come out exact, and integers are refused", async () => {
      useDevice(device);
      const net = nn.sequential([1], nn.linear(1, 8, { bias: false }));
      const path = join(work, "halves.safetensors");
      const bits = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x83ff, 0x7bff, 0x8000, 0x7c00, 0x7e00);
      const data = new Uint8Array(bits.buffer);
      await writeFile(
        path,
        encodeSafetensors(new Map([["0.weight", { dtype: "F16", shape: [8, 1], data }]])),
      );
      await loadWeights(net, path);
      const values = [...(await net.parameters()[0]!.data())];
      const { POSITIVE_INFINITY, NaN: none } = Number;
      expect(values).toEqual([1, -2, 2 ** -24, -1023 * 2 ** -24, 65504, -0, POSITIVE_INFINITY, none]);
      await writeFile(
        path,
        encodeSafetensors(new Map([["0.weight", { dtype: "I64", shape: [2, 1], data }]])),
      );
      await expect(loadWeights(net, path)).rejects.toThrow(
        "tensor 0.weight is I64; weights must be F32, F64, F16 or BF16",
      );
    });
  });

test("weights go through bytes, without a file", async () => {
  useDevice((await testDevices())[0]![1]);
  const [ours, theirs] = [network(), network()];
  const bytes = await encodeWeights(ours);
  expect(Buffer.compare(bytes, await encodeWeights(theirs))).not.toBe(0);
  decodeWeights(theirs, bytes);
  expect(Buffer.compare(bytes, await encodeWeights(theirs))).toBe(0);
  expect(() => decodeWeights(theirs, bytes.subarray(0, 100))).toThrow(
    "the file is not a sound safetensors file",
  );
});
