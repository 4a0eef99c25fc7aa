import { expect, test } from "vitest";
import { mosaic } from "../../src/views/mosaic.js";

const opacity = ({ data, width }: ReturnType<typeof mosaic>, x: number, y: number) =>
  data[4 * (y * width + x) + 3];

test("maps lie beside each other with a gap, on one scale, with zero as the paper", () => {
  // Two maps of 2 x 2.
  const made = mosaic({ layer: "0 Conv2d", shape: [2, 2, 2], values: [0, 1, 2, 4, -4, 0, 0, -2] });
  expect([made.width, made.height]).toEqual([5, 2]);
  expect([0, 1, 2, 3, 4].map((x) => opacity(made, x, 0))).toEqual([0, 64, 0, 255, 0]);
  expect([0, 1, 2, 3, 4].map((x) => opacity(made, x, 1))).toEqual([128, 255, 0, 0, 128]);
  // Blue above zero, orange below.
  expect(made.data[4 + 2]).toBeGreaterThan(made.data[4]!);
  expect(made.data[4 * 3 + 2]).toBeLessThan(made.data[4 * 3]!);
});

test("features lie in reading order; what is never negative begins at its lowest value", () => {
  const values = Array.from({ length: 84 }, (_, k) => 0.5 + k / 1000);
  const made = mosaic({ layer: "8 Sigmoid", shape: [84], values });
  expect(made.width * made.height).toBeGreaterThanOrEqual(84);
  expect(made.width).toBeGreaterThan(made.height);
  expect(opacity(made, 0, 0)).toBe(0);
  expect(Math.max(...made.data.filter((_, k) => k % 4 === 3))).toBe(255);
  for (const odd of [
    [Number.NaN, Number.NaN],
    [3, 3],
    [0, Number.POSITIVE_INFINITY],
  ])
    expect(mosaic({ layer: "0 ReLU", shape: [2], values: odd }).width).toBe(2);
});
