import { expect, test } from "vitest";
import { openReference } from "../src/devices/reference/reference.js";
import { adam, sgd } from "../src/optim/index.js";
import { useDevice } from "../src/tensor/evaluate.js";
import { tensor, variable } from "../src/tensor/tensor.js";

test("learning rates and momenta that make no sense are refused in words", () => {
  useDevice(openReference());
  const w = [variable(tensor([1]), { requiresGrad: true })];
  expect(() => sgd(w, { learningRate: 0 })).toThrow("learningRate is 0; give a finite number above 0");
  expect(() => sgd(w, { learningRate: 1, nesterov: true })).toThrow("nesterov needs a momentum above 0");
  expect(() => adam(w, { betas: [1, 0.9] })).toThrow(/betas are 1, 0.9/);
  expect(() => sgd([], { learningRate: 1 })).toThrow(/needs at least one parameter/);
});
