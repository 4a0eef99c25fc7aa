import { expect, test } from "vitest";
import { comparisonSvg } from "../../src/views/comparison.js";

const learners = ["softmax", "linear SVM", "RBF SVM"];
const row = (label: string, ...names: string[]) => ({
  label,
  accuracies: names.map((learner) => ({ learner, accuracy: 0.9 })),
});
/** Colour and shape of the legend's and the rows' dots. */
const looks = (svg: string): Set<string> =>
  new Set([...svg.matchAll(/<path fill="(#\w{6})".*? d="([^"]+)"/g)].map(([, ...look]) => look.join(" ")));

test("a learner's symbol is its place in the plan, whatever else was run, and first", () => {
  const alone = comparisonSvg([row("pixels", "RBF SVM")], [], learners);
  const rows = [row("pixels", "RBF SVM"), row("HOG", "softmax", "linear SVM")];
  const all = comparisonSvg(rows, [], learners);
  expect(alone).not.toContain("linear SVM");
  expect([...looks(alone)]).toEqual([[...looks(all)].at(2)]);
});
