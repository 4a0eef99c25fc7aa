import type { ViewOptions } from "../views/drawing.js";
import {
  type VariantPanel,
  variantCurvesSvg,
  variantGradientsByEpochSvg,
  variantGradientsSvg,
  variantsSvg,
} from "../views/variants.js";
import type { VariantSummary } from "./ablation.js";

/** The charts of a study by file name, under its title. */
export function ablationCharts(summaries: readonly VariantSummary[], title: string): Record<string, string> {
  const options = (shown: string): ViewOptions => ({ title: `${title}: ${shown}` });
  const rows = summaries.map(({ variant, testAccuracy, trainAccuracy }) => ({
    label: variant,
    testAccuracies: testAccuracy.values,
    trainAccuracies: trainAccuracy.values,
  }));
  return {
    "accuracy.svg": variantsSvg(rows, options("accuracy at the end, a dot a seed")),
    "curves.svg": variantCurvesSvg(summaries.map(curves), options("accuracy by epoch")),
    "gradients.svg": variantGradientsSvg(summaries.map(gradients), options("gradient norm by layer")),
    "gradients_by_epoch.svg": variantGradientsByEpochSvg(
      summaries.map(gradientsByEpoch),
      options("gradient norm along training"),
    ),
  };
}

function curves({ variant, trials }: VariantSummary): VariantPanel {
  const lines = trials.flatMap(({ epochs }) => [
    { name: "train", values: epochs.map(({ epoch, trainAccuracy }) => ({ x: epoch, y: trainAccuracy })) },
    {
      name: "held out",
      values: epochs.map(({ epoch, validationAccuracy }) => ({ x: epoch, y: validationAccuracy })),
    },
  ]);
  return { label: variant, lines };
}

/** Of the first, a middle and the last layer, a line a seed. */
function gradientsByEpoch({ variant, trials }: VariantSummary): VariantPanel {
  const lines = trials.flatMap(({ layers }) => {
    const names = Object.keys(layers[0]?.gradientNorms ?? {}).filter((name) => name.endsWith("weight"));
    const places = { "first layer": 0, "middle layer": names.length >> 1, "last layer": names.length - 1 };
    return Object.entries(places).map(([name, place]) => ({
      name,
      values: layers.map(({ epoch, gradientNorms }) => ({ x: epoch, y: gradientNorms[names[place]!]! })),
    }));
  });
  return { label: variant, lines };
}

function gradients({ variant, trials }: VariantSummary): VariantPanel {
  const lines = trials.flatMap(({ layers }) =>
    [
      { name: "at the start", point: layers[0] },
      { name: "at the end", point: layers.at(-1) },
    ].map(({ name, point }) => ({
      name,
      values: Object.entries(point?.gradientNorms ?? {})
        .filter(([parameter]) => parameter.endsWith("weight"))
        .map(([, y], layer) => ({ x: layer + 1, y })),
    })),
  );
  return { label: variant, lines };
}
