import { expect, test } from "vitest";
import type { Device } from "../../src/devices/device.js";
import { openDevice } from "../../src/devices/open.js";
import * as nn from "../../src/nn/index.js";
import { backward } from "../../src/ops/gradients.js";
import { manualSeed, randn } from "../../src/ops/random.js";
import { crossEntropy } from "../../src/ops/softmax.js";
import { GradientSums } from "../../src/optim/gradient_sums.js";
import { evaluateInPieces, useDevice } from "../../src/tensor/evaluate.js";
import { tensor } from "../../src/tensor/tensor.js";

const cpu = await openDevice("cpu", { threads: 2 });

/** A network's gradients in a buffer, computed in pieces: what lies there when each is known, and at which steps it was cut. */
async function gradients(device: Device): Promise<{ known: number[][]; all: number[][]; cuts: number[] }> {
  let cuts: number[] = [];
  const watched: Device = {
    ...device,
    ...(device.prepareInPieces && {
      prepareInPieces: (plan, at) => {
        cuts = [...at, plan.steps.length];
        return device.prepareInPieces!(plan, at);
      },
    }),
  };
  useDevice(watched);
  manualSeed(1);
  const net = nn.sequential(
    [1, 12, 12],
    nn.conv2d(1, 4, { kernelSize: 3 }),
    nn.relu(),
    nn.maxPool2d({ kernelSize: 2, stride: 2 }),
    nn.flatten(),
    nn.dropout(),
    nn.linear(100, 20),
    nn.relu(),
    nn.linear(20, 5),
  );
  net.train();
  const sums = new GradientSums(net.parameters());
  backward(crossEntropy(net.forward(randn([6, 1, 12, 12])), tensor(Int32Array.of(0, 1, 2, 3, 4, 0))));
  sums.take(true);
  const pieces = evaluateInPieces(sums.variables.map((one) => [one.node]));
  expect(pieces.length).toBe(sums.variables.length + 1);
  const known: number[][] = [];
  for (const [k, one] of sums.variables.entries()) {
    await pieces[k];
    known.push([...(await one.data())]);
  }
  await pieces.at(-1);
  const all = await Promise.all(sums.variables.map(async (one) => [...(await one.data())]));
  return { known, all, cuts };
}

test("a plan in pieces gives the whole plan's bits, each as soon as it is known, the last layer's first", async () => {
  const { known, all, cuts } = await gradients(cpu);
  expect(known).toEqual(all);
  expect(all.every((one) => one.some((value) => value !== 0))).toBe(true);
  const { prepareInPieces: _, ...whole } = cpu;
  const { known: atTheEnd, cuts: none } = await gradients(whole);
  expect(atTheEnd).toEqual(all);
  expect(none).toEqual([]);
  expect(cuts).toEqual([...cuts].sort((a, b) => a - b));
  // Six parameters, of which the last is known before the backward pass goes through its layer.
  expect(new Set(cuts.slice(0, -1)).size).toBe(6);
  expect(cuts[0]).toBeLessThan(cuts.at(-1)! - 5);
});
