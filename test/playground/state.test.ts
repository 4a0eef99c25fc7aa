import fc from "fast-check";
import { expect, test } from "vitest";
import { presetNames, presets } from "../../playground/src/presets.js";
import {
  augmentations,
  deviceNames,
  fromFragment,
  optimizerNames,
  type State,
  stateOf,
  toFragment,
} from "../../playground/src/state.js";

const states: fc.Arbitrary<State> = fc.record({
  code: fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom(...presetNames.map((name) => presets[name].code)),
  ),
  optimizer: fc.constantFrom(...optimizerNames),
  learningRate: fc.double({ min: 1e-9, max: 100, noNaN: true }),
  momentum: fc.double({ min: 0, max: 0.999, noNaN: true }),
  batchSize: fc.integer({ min: 1, max: 6000 }),
  epochs: fc.integer({ min: 1, max: 1000 }),
  seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  augment: fc.constantFrom(...augmentations),
  device: fc.constantFrom(...deviceNames),
  data: fc.oneof(fc.constantFrom("sample", "files", ""), fc.webUrl(), fc.constant("full set/")),
});

test("any state comes back from its link", () => {
  fc.assert(
    fc.property(states, (state) => {
      expect(fromFragment(toFragment(state))).toEqual({ state, problems: [] });
    }),
  );
});

test("a preset's link is its name, and the settings that differ", () => {
  expect(toFragment(stateOf("mlp"))).toBe("net=mlp");
  expect(toFragment({ ...stateOf("alexnet28"), seed: 7, augment: "crop and flip" })).toBe(
    "net=alexnet28&seed=7&augment=crop+and+flip",
  );
});

test("what a link cannot mean is ignored, with a sentence", () => {
  const { state, problems } = fromFragment(
    "net=vgg&learningRate=-1&batchSize=0x10&seed=1.5&optimizer=toString&epochs=3&data=javascript:alert(1)&__proto__=1",
  );
  expect(state).toEqual({ ...stateOf("lenet"), epochs: 3 });
  expect(problems).toEqual([
    'The link\'s net is "vgg", not one of lenet, alexnet28, alexnet, mlp, softmax; it is ignored.',
    'The link\'s learningRate is "-1", not a number above 0 and at most 100; it is ignored.',
    'The link\'s batchSize is "0x10", not a whole number from 1 to 60000; it is ignored.',
    'The link\'s seed is "1.5", not a whole number from 0 to 4294967295; it is ignored.',
    'The link\'s optimizer is "toString", not one of sgd, adam, adamw; it is ignored.',
    'The link\'s data is "javascript:alert(1)", not sample, files or an address of a folder; it is ignored.',
    'The link\'s __proto__ is "1", not a setting of this page; it is ignored.',
  ]);
});

test("no fragment is the first preset", () => {
  expect(fromFragment("")).toEqual({ state: stateOf("lenet"), problems: [] });
});
