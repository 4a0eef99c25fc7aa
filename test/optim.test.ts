import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Device } from "../src/devices/device.js";
import { backward } from "../src/ops/gradients.js";
import { add, mul } from "../src/ops/pointwise.js";
import { sum } from "../src/ops/reduce.js";
import {
  adam,
  adamw,
  clipGradNorm,
  cosineAnnealingLr,
  linearLr,
  type OptimizerRecipe,
  oneCycleLr,
  reduceLrOnPlateau,
  type Schedule,
  sequentialLr,
  sgd,
  stepLr,
  warmupCosine,
} from "../src/optim/index.js";
import { useDevice } from "../src/tensor/evaluate.js";
import { type Tensor, tensor, variable } from "../src/tensor/tensor.js";
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

interface RecipeFixture {
  maxNorm: number;
  learningRate: number;
  momentum: number;
  weightDecay: number;
  warmupSteps: number;
  totalSteps: number;
  shapes: number[][];
  starts: number[][];
  steps: { gradients: number[][]; norm: number; learningRate: number; after: number[][] }[];
  schedules: Record<string, number[]>;
  losses: number[];
  plateaus: Record<string, { options: Parameters<typeof reduceLrOnPlateau>[0]; rates: number[] }>;
}

const recipe: RecipeFixture = JSON.parse(
  readFileSync(new URL("./fixtures/recipes.json", import.meta.url), "utf8"),
);

const devices = await testDevices({ all: true });

/** Records a loss that has these gradients by the parameters. */
function giveGradients(parameters: readonly Tensor[], gradients: readonly number[][]): void {
  const losses = parameters.map((parameter, k) =>
    sum(mul(parameter, tensor(gradients[k]!, parameter.shape))),
  );
  backward(losses.reduce(add));
}

/** A device that counts the plans it is given. */
function counting(device: Device): { device: Device; plans: () => number } {
  let plans = 0;
  const prepare: Device["prepare"] = (plan) => {
    plans++;
    return device.prepare(plan);
  };
  return { device: { ...device, prepare }, plans: () => plans };
}

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

for (const [name, opened] of devices) {
  describe(`on ${name}, clipped gradients under Nesterov momentum, weight decay and a schedule`, () => {
    const { maxNorm, learningRate, momentum, weightDecay, shapes, starts, steps } = recipe;
    const start = (): Tensor[] =>
      starts.map((values, k) => variable(tensor(values, shapes[k]!), { requiresGrad: true }));

    test.each([
      ["the norms read", true],
      ["the norms not read", false],
    ])("move as PyTorch's, %s, and need no new plan for a new learning rate", async (_, isRead) => {
      const { device, plans } = counting(opened);
      useDevice(device);
      const parameters = start();
      const optimizer = sgd(parameters, { learningRate, momentum, nesterov: true, weightDecay });
      const schedule = warmupCosine(recipe)(recipe.totalSteps);
      let plansOfFirstStep = 0;
      for (const [step, expected] of steps.entries()) {
        optimizer.learningRate = learningRate * schedule(step);
        expect(optimizer.learningRate).toBeCloseTo(expected.learningRate, 12);
        giveGradients(parameters, expected.gradients);
        const norm = clipGradNorm(parameters, maxNorm);
        if (isRead) expect(relativeError([await norm.item()], [expected.norm])).toBeLessThan(tolerances.sum);
        await optimizer.step();
        if (step === 0) plansOfFirstStep = plans();
        for (const [k, parameter] of parameters.entries())
          expect(relativeError(await parameter.data(), expected.after[k]!), `step ${step}`).toBeLessThan(
            tolerances.transcendental,
          );
      }
      expect(plansOfFirstStep).toBeGreaterThan(0);
      expect(plans()).toBe(plansOfFirstStep);
    });

    test("clipped gradients are gradients: their norm is the largest allowed, and smaller ones stay", async () => {
      useDevice(opened);
      for (const largest of [0.5, 1000]) {
        const parameters = start();
        giveGradients(parameters, steps[0]!.gradients);
        const norm = clipGradNorm(parameters, largest);
        const clipped = await Promise.all(parameters.map(({ grad }) => grad!.data()));
        const factor = Math.min(1, largest / (steps[0]!.norm + 1e-6));
        for (const [k, gradient] of clipped.entries()) {
          const expected = steps[0]!.gradients[k]!.map((value) => value * factor);
          expect(relativeError(gradient, expected)).toBeLessThan(tolerances.sum);
        }
        expect(relativeError([await norm.item()], [steps[0]!.norm])).toBeLessThan(tolerances.sum);
      }
    });

    test("a shared parameter counts once, one without a gradient not at all, and a small norm by its 1e-6", async () => {
      useDevice(opened);
      const w = variable(tensor([1, 2]), { requiresGrad: true });
      const unused = variable(tensor([5]), { requiresGrad: true });
      giveGradients([w], [[3, 4]]);
      expect(await clipGradNorm([w, w, unused], 10).item()).toBe(5);
      expect([...(await w.grad!.data())]).toEqual([3, 4]);
      expect(await clipGradNorm([unused], 1).item()).toBe(0);
      w.grad = null;
      giveGradients([w], [[3e-6, 4e-6]]);
      clipGradNorm([w], 3e-6);
      // 3e-6 / (5e-6 + 1e-6) is a half, not 0.6.
      expect(
        relativeError(
          [...(await w.grad!.data())].map((g) => g * 1e6),
          [1.5, 2],
        ),
      ).toBeLessThan(1e-6);
    });

    test("a gradient that is no number makes all of them none, as in PyTorch", async () => {
      useDevice(opened);
      const parameters = [tensor([1]), tensor([2])].map((one) => variable(one, { requiresGrad: true }));
      giveGradients(parameters, [[Number.NaN], [1]]);
      clipGradNorm(parameters, 5);
      expect([...(await parameters[1]!.grad!.data())]).toEqual([Number.NaN]);
    });
  });
}

describe("schedules", () => {
  const schedules: Record<string, Schedule> = {
    linear: linearLr({ startFactor: 0.25, endFactor: 0.75, totalIters: 4 }),
    "linear by default": linearLr(),
    cosine: cosineAnnealingLr({ tMax: 8 }),
    "cosine to a tenth": cosineAnnealingLr({ tMax: 8, minFactor: 0.1 }),
    step: stepLr({ stepSize: 3, gamma: 0.5 }),
    sequence: sequentialLr(
      [
        linearLr({ startFactor: 0.5, totalIters: 2 }),
        stepLr({ stepSize: 2 }),
        cosineAnnealingLr({ tMax: 5 }),
      ],
      [3, 7],
    ),
    "warm-up and cosine": warmupCosine(recipe)(recipe.totalSteps),
    "one cycle": oneCycleLr()(21),
    "one cycle, shaped": oneCycleLr({ pctStart: 0.5, divFactor: 10, finalDivFactor: 100 })(21),
  };
  test.each(Object.entries(recipe.schedules))("%s goes as PyTorch's", (name, expected) => {
    const rates = expected.map((_, step) => schedules[name]!(step));
    expect(relativeError(rates, expected)).toBeLessThan(1e-8);
  });

  test.each(Object.entries(recipe.plateaus))("%s goes as PyTorch's", (_, { options, rates }) => {
    const schedule = reduceLrOnPlateau(options);
    const epochs = recipe.losses.map((testLoss) => ({ testLoss, testAccuracy: 0 }));
    expect(schedule(0)).toBe(1);
    const found = rates.map((_, epoch) => schedule(7, epochs.slice(0, epoch + 1)));
    expect(relativeError(found, rates)).toBeLessThan(1e-8);
  });

  test("a warm-up takes a third of a short run, and none where none is asked for", () => {
    const short = warmupCosine({ warmupSteps: 150 })(12);
    expect([0, 1, 2, 3, 4].map((step) => short(step))).toEqual([0.25, 0.5, 0.75, 1, 1]);
    expect(warmupCosine({ warmupSteps: 150 })(469)(149)).toBe(1);
    expect(warmupCosine({ warmupSteps: 150 })(469)(148)).toBeLessThan(1);
    expect(warmupCosine()(10)(0)).toBe(1);
    expect(warmupCosine({ warmupSteps: 5 })(1)(0)).toBe(1);
  });

  test("settings that make no sense are refused in words", () => {
    expect(() => linearLr({ totalIters: -1 })).toThrow("totalIters is -1; give a whole number of at least 0");
    expect(() => cosineAnnealingLr({ tMax: 0 })).toThrow("tMax is 0; give a whole number of at least 1");
    expect(() => stepLr({ stepSize: 0.5 })).toThrow("stepSize is 0.5; give a whole number of at least 1");
    // Its rise ends at step 0.
    expect([0, 9].map((step) => oneCycleLr({ pctStart: 0.1 })(10)(step))).toEqual([1, 1 / 25 / 1e4]);
    expect(() => oneCycleLr({ pctStart: 1 })).toThrow("pctStart is 1; give a number between 0 and 1");
    expect(() => reduceLrOnPlateau({ factor: 1 })).toThrow("factor is 1; give a number between 0 and 1");
    expect(() => reduceLrOnPlateau({ patience: -1 })).toThrow(
      "patience is -1; give a whole number of at least 0",
    );
    expect(() => warmupCosine({ warmupSteps: 1.5 })).toThrow("warmupSteps is 1.5; give a whole number");
    expect(() => sequentialLr([linearLr()], [3])).toThrow(
      "1 schedules and 1 milestones; give one milestone fewer",
    );
    expect(() => sequentialLr([linearLr(), linearLr(), linearLr()], [3, 3])).toThrow(
      "milestones are 3, 3; give rising",
    );
    expect(() => clipGradNorm([], 0)).toThrow("maxNorm is 0; give a number above 0");
  });
});

test("learning rates and momenta that make no sense are refused in words", () => {
  useDevice(devices[0]![1]);
  const w = [variable(tensor([1]), { requiresGrad: true })];
  expect(() => sgd(w, { learningRate: 0 })).toThrow("learningRate is 0; give a finite number above 0");
  expect(() => sgd(w, { learningRate: 1, nesterov: true })).toThrow(
    "nesterov needs a momentum above 0, and it is 0; raise it or leave nesterov out",
  );
  expect(() => sgd({ learningRate: 1, nesterov: true })).toThrow("nesterov needs a momentum above 0");
  expect(() => adam(w, { betas: [1, 0.9] })).toThrow(/betas are 1, 0.9/);
  expect(() => sgd([], { learningRate: 1 })).toThrow(/needs at least one parameter/);
});
