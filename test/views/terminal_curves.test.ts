import { expect, test } from "vitest";
import { type TerminalPoint, terminalCurves, terminalCurvesHeight } from "../../src/views/terminal_curves.js";

const point = (epoch: number, loss: number): TerminalPoint => ({
  epoch,
  loss,
  trainAccuracy: 1 - loss / 2,
  testAccuracy: 0.9 - loss / 2,
});
const options = { columns: 60, epochs: 4, useColour: false };

test("two panels below a legend, on round axes", () => {
  const lines = terminalCurves([point(1, 1.6), point(2, 0.8), point(3, 0.4), point(4, 0.2)], {
    ...options,
    reference: { loss: 0.331, testAccuracy: 0.883 },
  });
  expect(lines).toEqual([
    "   ● train loss   ○ train acc   ▲ test acc   ┈ the book",
    "   2│                            1│                      ○",
    "    │     ●⡀                      │┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈⣀○⠒⠒⣉⣉▲",
    "    │      ⠈⠢⡀                    │            ⣀⠤⠒⢉⠤▲⠉⠉   ",
    "    │        ⠘⢄                   │          ⡠○⣀⠔⠊⠁       ",
    "    │          ⠑●                 │        ⢠⠊⡠▲           ",
    "    │            ⠉⠒⠤⣀             │      ⢀⠔⡡⠊             ",
    "    │┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈⠉●⠤⠤⣀⣀┈      │     ○⡡⠊               ",
    "   0│                      ●     0│     ▲                 ",
    "    └───────────────────────      └───────────────────────",
    "    0               4 epochs      0               4 epochs",
  ]);
});

test("is as wide and as high as it says, whatever comes", () => {
  const odd = [
    [],
    [point(0.2, 2.3)],
    [point(1, Number.NaN), point(2, Number.POSITIVE_INFINITY)],
    [point(1, 3e7), point(2, 0)],
    Array.from({ length: 500 }, (_, k) => point(k + 1, 1 / (k + 1))),
  ];
  for (const points of odd)
    for (const columns of [60, 61, 100, 300])
      for (const epochs of [1, 500, undefined]) {
        const lines = terminalCurves(points, { ...options, columns, epochs });
        expect(lines).toHaveLength(terminalCurvesHeight);
        expect(lines.every((line) => line.length < columns)).toBe(true);
      }
});

test("a value that is not finite leaves a gap", () => {
  const draw = (loss: number) =>
    terminalCurves([point(1, 2), point(2, loss), point(3, 1)], options)
      .map((line) => line.slice(0, 30))
      .join("\n");
  const braille = /[\u2801-\u28ff]/;
  expect(draw(1.5)).toMatch(braille);
  expect(draw(Number.NaN)).not.toMatch(braille);
});

test("colours are codes around the same text", () => {
  const points = [point(1, 2), point(2, 1)];
  const plain = terminalCurves(points, options);
  const coloured = terminalCurves(points, { ...options, useColour: true });
  expect(coloured.join("")).toContain("\u001b[33m▲\u001b[0m");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what colours are made of.
  expect(coloured.map((line) => line.replace(/\u001b\[\d+m/g, ""))).toEqual(plain);
});
