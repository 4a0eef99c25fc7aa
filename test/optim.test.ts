import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { backward } from "../src/ops/gradients.js";
import { mul } from "../src/ops/pointwise.js";
import { sum } from "../src/ops/reduce.js";
import { adam, adamw, type OptimizerRecipe, sgd } from "../src/optim/index.js";
import { useDevice } from "../src/tensor/evaluate.js";
import { tensor, variable } from "../src/tensor/tensor.js";
import { relativeError } from "./support/compare.js";
import { testDevices } from "./support/test_devices.js";
import { tolerances } from "./support/tolerances.js";

interface Fixture {
  start: number[];
  gradients: number[][];
  cases: { name: string; after: number[][] }[];
}

const fixture: Fixture = JSON.parse(
  readFileSync(new URL("./fixtures/optimizers.json", import.meta.url), "utf8"),
);

const recipes: Record<string, OptimizerRecipe> = {
  sgd: sgd({ learningRate: 0.1 }),
  "sgd with momentum": sgd({ learningRate: 0.1, momentum: 0.9 }),
  "sgd with Nesterov momentum": sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true }),
  "sgd with momentum and weight decay": sgd({ learningRate: 0.1, momentum: 0.8, weightDecay: 0.01 }),
  adam: adam({ learningRate: 0.05 }),
  "adam with weight decay": adam({ learningRate: 0.05, betas: [0.8, 0.95], weightDecay: 0.1 }),
  adamw: adamw({ learningRate: 0.05, weightDecay: 0.1 }),
};

const devices = await testDevices();

for (const [device, opened] of devices) {
  test.each(fixture.cases)(`$name on ${device} moves as PyTorch's`, async ({ name, after }) => {
    useDevice(opened);
    const parameter = variable(tensor(fixture.start), { requiresGrad: true });
    const optimizer = recipes[name]!([parameter]);
    for (const [step, gradient] of fixture.gradients.entries()) {
      backward(sum(mul(parameter, tensor(gradient))));
      await optimizer.step();
      expect(relativeError(await parameter.data(), after[step]!), `step ${step}`).toBeLessThan(
        tolerances.transcendental,
      );
    }
  });
}

test("learning rates and momenta that make no sense are refused in words", () => {
  useDevice(devices[0]![1]);
  const w = [variable(tensor([1]), { requiresGrad: true })];
  expect(() => sgd(w, { learningRate: 0 })).toThrow("learningRate is 0; give a finite number above 0");
  expect(() => sgd(w, { learningRate: 1, nesterov: true })).toThrow("nesterov needs a momentum above 0");
  expect(() => adam(w, { betas: [1, 0.9] })).toThrow(/betas are 1, 0.9/);
  expect(() => sgd([], { learningRate: 1 })).toThrow(/needs at least one parameter/);
});
