import * as Plot from "@observablehq/plot";
import { Drawing, type ViewOptions, viewWidth } from "./drawing.js";
import { englishWords } from "./words.js";

/** How often a class was taken for another: `counts[truth][predicted]`. */
export interface ConfusionMatrix {
  readonly classNames: readonly string[];
  readonly counts: readonly (readonly number[])[];
}

const margin = { top: 8, right: 46, bottom: 92, left: 86 };
const height = 424;

/**
 * A confusion matrix: a row for each true class, a column for each prediction, the share that was right at the row's
 * end. The darker a cell, the larger its share of the row.
 */
export function confusionSvg({ classNames, counts }: ConfusionMatrix, options: ViewOptions = {}): string {
  const totals = counts.map((row) => row.reduce((sum, count) => sum + count, 0));
  const right = classNames.map((name, k) => ({ name, share: counts[k]![k]! / totals[k]! }));
  const cells = counts.flatMap((row, t) =>
    row.map((count, p) => ({
      truth: classNames[t]!,
      predicted: classNames[p]!,
      count,
      isRight: t === p,
      // The root makes a few mistakes visible beside many hits.
      strength: Math.sqrt(count / Math.max(1, totals[t]!)),
    })),
  );
  const filled = cells.filter(({ count }) => count > 0);
  const { words = englishWords } = options;
  const description = right.map(({ name, share }) => words.right(name, share)).join("; ");
  const drawing = new Drawing(viewWidth, height, words.confusion, description, options);
  const { theme, document } = drawing;
  drawing.plot(
    Plot.plot({
      document: document as never,
      width: viewWidth,
      height,
      marginTop: margin.top,
      marginRight: margin.right,
      marginBottom: margin.bottom,
      marginLeft: margin.left,
      x: { domain: [...classNames], padding: 0.06 },
      y: { domain: [...classNames], padding: 0.06 },
      marks: [
        Plot.cell(cells, { x: "predicted", y: "truth", fill: theme.grid, fillOpacity: 0.45 }),
        Plot.cell(filled, {
          x: "predicted",
          y: "truth",
          fill: (cell: (typeof cells)[number]) => (cell.isRight ? theme.blue : theme.orange),
          fillOpacity: "strength",
          title: ({ truth, predicted, count }: (typeof cells)[number]) =>
            `${words.takenFor(truth, predicted)}: ${count}`,
        }),
        Plot.text(filled, {
          x: "predicted",
          y: "truth",
          text: (cell: (typeof cells)[number]) => String(cell.count),
          fontSize: 11,
          fontVariant: "tabular-nums",
          fill: (cell: (typeof cells)[number]) => (cell.strength > 0.75 ? theme.paper : theme.ink),
          pointerEvents: "none",
        }),
        Plot.text(right, {
          y: "name",
          frameAnchor: "right",
          textAnchor: "end",
          dx: margin.right - 6,
          fontSize: 11,
          fontVariant: "tabular-nums",
          fill: theme.quiet,
          text: ({ share }: (typeof right)[number]) =>
            Number.isFinite(share) ? `${Math.round(100 * share)} %` : "–",
        }),
        Plot.axisY({ tickSize: 0, tickPadding: 6, label: null }),
        Plot.axisX({ tickSize: 0, tickPadding: 6, tickRotate: -45, label: null }),
        Plot.text([words.predicted], {
          frameAnchor: "bottom",
          dy: margin.bottom - 12,
          fill: theme.quiet,
          text: (text: string) => text,
        }),
      ],
    }),
  );
  return drawing.toString();
}
