import { expect, test } from "vitest";
import { presets } from "../../playground/src/presets.js";
import { choose, chosen, dropoutOf, setDropout } from "../../playground/src/switches.js";

test("a switch shows what the code says, and changes every layer of its kind", () => {
  const { code } = presets.lenet;
  expect([chosen(code, "activation"), chosen(code, "pooling"), dropoutOf(code)]).toEqual([
    "sigmoid",
    "avg",
    undefined,
  ]);
  const changed = choose(choose(code, "activation", "relu"), "pooling", "max");
  expect(changed).toBe(code.replaceAll("sigmoid", "relu").replaceAll("avgPool2d", "maxPool2d"));
  expect(choose(choose(changed, "activation", "sigmoid"), "pooling", "avg")).toBe(code);
});

test("dropout's probability is set in place", () => {
  expect(dropoutOf(presets.alexnet.code)).toBe("0.5");
  expect(setDropout(presets.alexnet.code, "0.2")).toBe(presets.alexnet.code.replaceAll("p: 0.5", "p: 0.2"));
  expect(setDropout("nn.sequential([4], nn.dropout(), nn.relu())", "0")).toBe(
    "nn.sequential([4], nn.dropout({ p: 0 }), nn.relu())",
  );
});

test("comments are no layers, layers may differ, and a text with a mistake is left alone", () => {
  const code = "nn.sequential([4], /* nn.relu() */ nn.tanh(), nn.residual(nn.relu()))";
  expect(chosen(code, "activation")).toBe("mixed");
  expect(choose(code, "activation", "sigmoid")).toBe(
    "nn.sequential([4], /* nn.relu() */ nn.sigmoid(), nn.residual(nn.sigmoid()))",
  );
  expect(choose("nn.sequential([4], nn.relu(", "activation", "tanh")).toBe("nn.sequential([4], nn.relu(");
});
