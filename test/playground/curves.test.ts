import { expect, test } from "vitest";
import { spread, tickStep } from "../../playground/src/curves.js";

test("ticks are 1, 2 or 5 times a power of ten, and not too many", () => {
  const cases = [
    [1, 5],
    [2.5, 5],
    [2.51, 5],
    [10, 10],
    [1000, 10],
    [0.3, 5],
  ] as const;
  expect(cases.map(([length, count]) => Number(tickStep(length, count).toPrecision(6)))).toEqual([
    0.2, 0.5, 1, 1, 100, 0.1,
  ]);
});

test("labels move apart, keep their order and stay between the bounds", () => {
  expect(spread([50, 52, 10], 16, 0, 100)).toEqual([50, 66, 10]);
  expect(spread([98, 99, 20], 16, 0, 100)).toEqual([84, 100, 20]);
  expect(spread([], 16, 0, 100)).toEqual([]);
});
