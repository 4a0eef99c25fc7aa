import { DOMParser } from "linkedom";
import { describe, expect, it } from "vitest";
import { type CurvePoint, curvesSvg } from "../../src/views/curves.js";

const run = (count: number): CurvePoint[] =>
  Array.from({ length: count }, (_, index) => ({
    epoch: index + 1,
    loss: 2 / (index + 1),
    trainAccuracy: 0.9 - 0.6 / (index + 1),
    testAccuracy: 0.88 - 0.5 / (index + 1),
  }));

/** The texts of a drawing, in document order. */
const texts = (svg: string) =>
  [...new DOMParser().parseFromString(svg, "image/svg+xml").querySelectorAll("text")].map(
    (text) => text.textContent,
  );

describe("curvesSvg", () => {
  it.each([1, 2, 10, 30, 400])("draws %i epochs without a number gone wrong", (count) => {
    const svg = curvesSvg(run(count));
    expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(svg).not.toMatch(/NaN|undefined|Infinity|<style/);
    const labels = texts(svg);
    const last = run(count).at(-1)!;
    for (const value of [last.loss, last.trainAccuracy])
      expect(labels).toContain(`train ${value.toFixed(3)}`);
    expect(labels).toContain(`test ${last.testAccuracy.toFixed(3)}`);
    expect(labels).toContain("1");
    expect(labels).toContain(String(count));
    expect(svg.match(/aria-label="line"/g)).toHaveLength(3);
  });

  it("draws the same run the same way", () => {
    expect(curvesSvg(run(10))).toBe(curvesSvg(run(10)));
  });

  it("draws no epochs at all, and values that are not finite, as gaps", () => {
    expect(curvesSvg([])).not.toMatch(/NaN|undefined|Infinity/);
    const broken = [...run(3), { epoch: 4, loss: Number.NaN, trainAccuracy: Number.NaN, testAccuracy: 0.1 }];
    const svg = curvesSvg(broken);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    expect(texts(svg)).toContain(`train ${(2 / 3).toFixed(3)}`);
  });

  it("moves the labels of lines that end together apart", () => {
    const svg = curvesSvg([{ epoch: 1, loss: 1, trainAccuracy: 0.88, testAccuracy: 0.88 }]);
    const heights = [...svg.matchAll(/translate\([\d.]+,([\d.]+)\)"[^>]*>(?:train|test) 0\.880/g)].map(
      (match) => Number(match[1]),
    );
    expect(heights).toHaveLength(2);
    expect(Math.abs(heights[0]! - heights[1]!)).toBeGreaterThan(14);
  });

  it("shows titles as text, never as markup, and a reference", () => {
    const title = 'LeNet <b>&"</b>';
    const reference = { label: "the book", testAccuracy: 0.779, loss: 0.469 };
    const labels = texts(curvesSvg(run(2), { title, subtitle: "seed 0", reference }));
    expect(labels).toEqual(expect.arrayContaining([title, "seed 0", "the book 0.779", "the book 0.469"]));
  });
});
