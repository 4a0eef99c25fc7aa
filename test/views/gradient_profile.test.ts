import { DOMParser } from "linkedom";
import { expect, test } from "vitest";
import { gradientProfileSvg } from "../../src/views/gradient_profile.js";
import { pageTheme } from "../../src/views/theme.js";

const sigmoid = {
  name: "sigmoid",
  gradientNorms: { "0.weight": 1e-6, "0.bias": 9, "3.weight": 1e-3, "6.weight": 0.2 },
};
const relu = { name: "relu <1>", gradientNorms: { "0.weight": 0.4, "3.weight": 0.5, "6.weight": 0.3 } };

/** Across, of the dots of each network in the order of layers. */
const dots = (svg: string): number[][] =>
  [...new DOMParser().parseFromString(svg, "image/svg+xml").querySelectorAll('[aria-label="dot"]')]
    .map((group) =>
      [...group.querySelectorAll("circle, path")].map((dot) =>
        Number(dot.getAttribute("cx") ?? /translate\(([\d.]+)/.exec(dot.getAttribute("transform")!)![1]),
      ),
    )
    .filter((places) => places.length > 1);

test("a gradient that vanishes leans to the left, by the logarithm of its norm", () => {
  const svg = gradientProfileSvg([sigmoid, relu]);
  const [behind, first] = dots(svg);
  const [a, b, c] = first!;
  expect(b! - a!).toBeGreaterThan(0);
  // From 1e-6 to 1e-3, and from there to 0.2.
  expect((c! - b!) / (b! - a!)).toBeCloseTo(Math.log10(200) / 3, 2);
  expect(Math.max(...behind!) - Math.min(...behind!)).toBeLessThan((b! - a!) / 5);
  expect(svg).not.toContain("bias");
  expect(svg).toContain("relu &lt;1&gt;");
  expect(svg).not.toMatch(/NaN|Infinity|undefined| style=/);
});

test("takes what there is: no network, gradients of zero, any width, a page's colours", () => {
  for (const profiles of [[], [{ name: "dead", gradientNorms: { "0.weight": 0, "1.weight": Number.NaN } }]])
    expect(gradientProfileSvg(profiles)).not.toMatch(/NaN|Infinity|undefined/);
  const wide = gradientProfileSvg([relu], { width: 600, theme: pageTheme });
  expect(wide).toContain('viewBox="0 0 600 ');
  expect(wide.match(/(?:fill|stroke)="#\w+"/g)).toBeNull();
});
