import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { hostArray } from "../../src/core/dtype.js";
import { gradients } from "../../src/ops/gradients.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { evaluate, type Tensor, tensor, variable } from "../../src/tensor/tensor.js";
import { relativeError } from "../support/compare.js";
import { testDevices } from "../support/test_devices.js";
import { forwardTolerance, gradientTolerance } from "../support/tolerances.js";
import { notOperations, operationModules, operations } from "./operations.js";

interface HostTensor {
  shape: number[];
  dtype: "f32" | "i32" | "u8";
  data: number[];
}

interface Case {
  op: string;
  name: string;
  inputs: HostTensor[];
  attributes: object;
  output: HostTensor;
  upstream: number[] | null;
  gradients: (number[] | null)[];
}

const cases: Case[] = JSON.parse(readFileSync(new URL("./cases.json", import.meta.url), "utf8"));

function load({ shape, dtype, data }: HostTensor): Tensor {
  const array = hostArray(dtype, data.length);
  array.set(data);
  const host = tensor(array, shape);
  return dtype === "f32" ? variable(host, { requiresGrad: true }) : host;
}

for (const [name, device] of await testDevices({ webgpu: true })) {
  describe(`operations on ${name} agree with PyTorch`, () => {
    test.each(cases.map((one) => [one.name, one] as const))("%s", async (_, one) => {
      useDevice(device);
      const { op } = one;
      const inputs = one.inputs.map(load);
      const output = operations[op]!(inputs, one.attributes);
      expect(output.shape).toEqual(one.output.shape);
      expect(output.dtype).toBe(one.output.dtype);
      const wanted = one.gradients.flatMap((gradient, i) => (gradient ? [i] : []));
      const flows = one.upstream
        ? gradients(
            output,
            wanted.map((i) => inputs[i]!),
            tensor(one.upstream, one.output.shape),
          )
        : [];
      await evaluate(output, ...flows.filter((flow) => flow !== null));
      expect(relativeError(await output.data(), one.output.data)).toBeLessThanOrEqual(forwardTolerance(op));
      for (const [k, i] of wanted.entries()) {
        if (!one.upstream) break;
        const expected = one.gradients[i]!;
        const flow = flows[k];
        const actual = flow ? await flow.data() : new Float32Array(expected.length);
        expect(relativeError(actual, expected), `gradient of input ${i}`).toBeLessThanOrEqual(
          gradientTolerance,
        );
      }
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
