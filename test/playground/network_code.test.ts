import { describe, expect, test } from "vitest";
import { readNetwork } from "../../playground/src/network_code.js";
import { CodeError, placeOf } from "../../playground/src/network_syntax.js";
import { type Preset, type PresetName, presetNames, presets } from "../../playground/src/presets.js";
import { findModel, type ModelName, modelNames } from "../../src/models/index.js";

/** The sentence of a text's mistake, with line and column. */
function mistake(code: string): string {
  try {
    readNetwork(code);
  } catch (error) {
    if (!(error instanceof CodeError)) throw error;
    const { line, column } = placeOf(code, error.offset);
    return `${line}:${column} ${error.message}`;
  }
  throw new Error(`there is no mistake in ${code}`);
}

describe("presets", () => {
  test.each(modelNames)("%s is the library's", (name: ModelName) => {
    const [ours, theirs] = [readNetwork(presets[name].code), findModel(name).build()];
    expect(ours.inputShape).toEqual(theirs.inputShape);
    expect(ours.layers(2)).toEqual(theirs.layers(2));
    const shapes = (net: typeof ours) => [...net.namedParameters()].map(([key, { shape }]) => [key, shape]);
    expect(shapes(ours)).toEqual(shapes(theirs));
    const { published } = findModel(name);
    const preset: Preset = presets[name];
    if (published) expect(published).toMatchObject(preset.published!);
    else expect(preset.published).toBeUndefined();
  });

  test.each(presetNames)("%s has ten outputs", (name: PresetName) => {
    expect(readNetwork(presets[name].code).outputShape()).toEqual([10]);
  });
});

test("reads options, comments, nested networks and residuals", () => {
  const net = readNetwork(`// two branches
    nn.sequential([3, 8, 8],
      nn.residual(
        nn.sequential([3, 8, 8], nn.conv2d(3, 4, { kernelSize: [3, 1], padding: [[1, 1], [0, 0]], bias: false })),
        nn.conv2d(3, 4, { kernelSize: 1 }), /* projection */
      ),
      nn.batchNorm2d(4, { eps: 1e-3 }), nn.leakyRelu({ negativeSlope: .2 }), nn.localResponseNorm(),
      nn.flatten(), nn.linear(2_56, 2, { bias: false }),
    );`);
  expect(net.layers().map(({ layer }) => layer)).toEqual([
    "Residual",
    "BatchNorm2d",
    "LeakyReLU",
    "LocalResponseNorm",
    "Flatten",
    "Linear",
  ]);
  expect([...net.namedParameters().keys()].slice(0, 3)).toEqual([
    "0.body.0.weight",
    "0.shortcut.weight",
    "0.shortcut.bias",
  ]);
});

test.each([
  ["", "1:1 expected nn.sequential(...), found the end"],
  ["alert(1)", '1:1 expected nn.sequential(...), found "alert"'],
  [
    "nn.sequential([1], nn.relu()) + 1",
    '1:31 "+" has no meaning here; a network is made of nn calls, numbers, [lists] and { options }',
  ],
  ["nn.sequential([1, 2, 3], nn.relu()", '1:35 expected "," or ")", found the end'],
  ["nn.sequential([1 2], nn.relu())", '1:18 expected "," or "]", found "2"'],
  [
    "nn.sequential([1, 28, 28],\n  nn.relu(),\n  nn.konv2d(1, 2))",
    /^3:6 there is no nn.konv2d; choose one of conv2d, linear, /,
  ],
  ["nn.sequential([4], nn.constructor())", /^1:23 there is no nn.constructor; choose/],
  ["nn.sequential([4], relu)", '1:20 expected a layer, a number, a [list] or { options }, found "relu"'],
  ["nn.sequential([4], 5)", "1:20 a layer such as nn.relu() belongs here, not 5"],
  ["nn.relu()", "1:4 a network begins with nn.sequential(, not nn.relu("],
  [
    "nn.sequential(nn.relu())",
    "1:15 nn.sequential begins with the input's shape, such as [1, 28, 28]: whole numbers of at least 1",
  ],
  ["nn.sequential([0, 28], nn.relu())", /^1:15 nn.sequential begins with the input's shape/],
  [
    "nn.sequential([4], nn.linear(4))",
    "1:20 nn.linear: outFeatures is missing; give a whole number of at least 1",
  ],
  [
    "nn.sequential([4], nn.linear(4, 2.5))",
    "1:33 nn.linear: outFeatures is 2.5; give a whole number of at least 1",
  ],
  [
    "nn.sequential([4], nn.linear(4, 2, 3))",
    "1:36 nn.linear: options in braces belong here, such as { bias: ... }, not 3",
  ],
  ["nn.sequential([4], nn.relu({ p: 1 }))", '1:28 nn.relu takes no options, and {"p":1} is given'],
  ["nn.sequential([4], nn.dropout({ q: 1 }))", "1:31 nn.dropout has no option q; choose one of p"],
  [
    "nn.sequential([4], nn.dropout({ __proto__: 1 }))",
    "1:31 nn.dropout has no option __proto__; choose one of p",
  ],
  ["nn.sequential([4], nn.dropout({ p: 0.1, p: 0.2 }))", "1:41 p is given twice"],
  ["nn.sequential([4], nn.dropout({ p: true }))", "1:31 nn.dropout: p is true; give a number"],
  [
    "nn.sequential([1, 9, 9], nn.conv2d(1, 2, {}))",
    "1:26 nn.conv2d: kernelSize is missing; add { kernelSize: 3 }",
  ],
  [`nn.sequential([4], ${"nn.residual(".repeat(60)}`, /^1:\d+ brackets lie more than 50 deep$/],
  [`nn.sequential([4])${" ".repeat(30_000)}`, /^1:20001 the text has 30018 characters; keep it under 20000$/],
] as const)("names the mistake in %j", (code, expected) => {
  expect(mistake(code)).toEqual(typeof expected === "string" ? expected : expect.stringMatching(expected));
});

test.each([
  [
    "nn.sequential([1, 28, 28],\n  nn.flatten(),\n  nn.linear(700, 10))",
    "3:3 layer 1: Linear expects 700 input features but receives 784",
  ],
  [
    "nn.sequential([1, 28, 28],\n  nn.conv2d(3, 8, { kernelSize: 3 }))",
    "2:3 layer 0: Conv2d expects 3 input channels but receives 1",
  ],
  [
    "nn.sequential([1, 28, 28],\n  nn.dropout({ p: 1 }))",
    "2:3 Dropout: p is 1; give a probability of at least 0 and below 1",
  ],
  [
    "nn.sequential([4], nn.residual(nn.linear(4, 5)))",
    "1:20 layer 0: Residual: the body gives [5] and the shortcut [4]; they must be equal",
  ],
])("gives the library's sentence for %j", (code, expected) => {
  expect(mistake(code)).toBe(expected);
});
