import type { ImageSet, LabelledImages } from "../data/index.js";
import { type ComparisonRow, comparisonSvg } from "../views/comparison.js";
import { kernelsSvg } from "../views/kernels.js";
import { neighborsSvg } from "../views/neighbors.js";
import type { Pixels } from "../views/pixels.js";
import type { Comparison } from "./comparison.js";

/** The charts of a comparison by file name. */
export function comparisonCharts(comparison: Comparison, data: ImageSet): Record<string, string> {
  const { cells, networks, learners, neighbors, kernels, setting } = comparison;
  const features = new Map<string, ComparisonRow["accuracies"]>();
  for (const { features: label, learner, accuracy } of cells)
    features.set(label, [...(features.get(label) ?? []), { learner, accuracy }]);
  const rows = [...features].map(([label, accuracies]) => ({ label, accuracies }));
  const ends = networks.map(({ network, accuracy }) => ({
    label: `${network}, end to end`,
    accuracies: [{ learner: "", accuracy }],
  }));
  const count = setting.trainImages.toLocaleString("en-US");
  const title = `Features that are given, and features that are learned: ${count} training images`;
  const charts: Record<string, string> = { "accuracy.svg": comparisonSvg(rows, ends, learners, { title }) };
  if (neighbors) {
    const drawn = neighbors.rows.map(({ number, groups }) => {
      const own = data.test.labels[number]!;
      return {
        name: data.classNames[own]!,
        pixels: pixelsOf(data.test, number),
        groups: groups.map(({ measure, numbers }) => ({
          measure,
          nearest: numbers.map((near) => ({
            name: data.classNames[data.train.labels[near]!]!,
            pixels: pixelsOf(data.train, near),
            isSameClass: data.train.labels[near] === own,
          })),
        })),
      };
    });
    charts["neighbors.svg"] = neighborsSvg(drawn, {
      title: "Nearest training images; framed: another class",
    });
  }
  if (kernels) charts["kernels.svg"] = kernelsSvg(kernels, { title: "What AlexNet's first layer looks for" });
  return charts;
}

function pixelsOf({ images, height, width }: LabelledImages, number: number): Pixels {
  const plane = height * width;
  return { data: images.subarray(number * plane, (number + 1) * plane), width, height, channels: 1 };
}
