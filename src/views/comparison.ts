import * as Plot from "@observablehq/plot";
import { Drawing, fontSize, type ViewOptions } from "./drawing.js";
import { percent } from "./percent.js";
import type { Theme } from "./theme.js";
import { englishWords } from "./words.js";

/** Accuracies in a row: of learners on a kind of features, or of a network, which has no learner's name. */
export interface ComparisonRow {
  readonly label: string;
  readonly accuracies: readonly { readonly learner: string; readonly accuracy: number }[];
}

export interface ComparisonOptions extends ViewOptions {
  /** Results of another kind, in hollow dots below the others. */
  readonly live?: readonly ComparisonRow[] | undefined;
}

const width = 900;
const margin = { left: 230, right: 30 };
const rowHeight = 34;
/** Of the legend, and of the line below it for the header of the last column. */
const headHeight = { legend: 36, header: 16 };
/** Told apart by shape as well as by colour. */
const symbols = ["circle", "square", "triangle", "diamond2", "star", "wye"] as const;

/**
 * Test accuracy of learners on given features, a row a kind of features, and of networks that learn their own, in rows
 * below. A learner's place among `learners`, at most six, decides its symbol, whichever of them have results.
 */
export function comparisonSvg(
  features: readonly ComparisonRow[],
  networks: readonly ComparisonRow[],
  learners: readonly string[],
  options: ComparisonOptions = {},
): string {
  const { live = [] } = options;
  const { words = englishWords } = options;
  const drawn = new Set(features.flatMap(({ accuracies }) => accuracies.map(({ learner }) => learner)));
  const rows = [...features, ...networks, ...live];
  const head = headHeight.legend + headHeight.header;
  const height = head + 60 + rowHeight * rows.length;
  const description = rows
    .map(
      ({ label, accuracies }) =>
        `${label}: ${accuracies.map(({ learner, accuracy }) => `${learner} ${percent(accuracy)}`.trim()).join(", ")}`,
    )
    .join("; ");
  const drawing = new Drawing(width, height, words.accuracy, description, options);
  const { theme } = drawing;
  const styles = new Map(
    learners.map((name, i) => [name, { symbol: symbols[i]!, colour: colours(theme)[i]! }] as const),
  );
  legend(drawing, new Map([...styles].filter(([name]) => drawn.has(name))));
  const dots = rows.flatMap(({ label, accuracies }) =>
    accuracies.map(({ learner, accuracy }) => ({
      label,
      accuracy,
      style: styles.get(learner) ?? { symbol: "circle" as const, colour: theme.ink },
      isLive: live.some((row) => row.label === label),
    })),
  );
  /** Groups of rows are told apart by lines. */
  const heads = [networks, live].flatMap(([first]) => (first && first !== rows[0] ? [first.label] : []));
  const low = Math.min(...dots.map(({ accuracy }) => accuracy));
  const high = Math.max(...dots.map(({ accuracy }) => accuracy));
  const best = rows.map(({ label, accuracies }) => ({
    label,
    accuracy: Math.max(...accuracies.map(({ accuracy }) => accuracy)),
  }));
  drawing.plot(
    Plot.plot({
      document: drawing.document as never,
      width,
      height: height - head,
      marginTop: 8,
      marginLeft: margin.left,
      marginRight: margin.right + 56,
      marginBottom: 44,
      x: { domain: [Math.floor(low * 20) / 20, Math.min(1, Math.ceil(high * 20 + 0.01) / 20)] },
      y: { domain: rows.map(({ label }) => label), type: "band" },
      marks: [
        Plot.gridX({ stroke: theme.grid, strokeOpacity: 1, ticks: 8 }),
        Plot.ruleY(rows, { y: "label", stroke: theme.grid, strokeOpacity: 1 }),
        Plot.ruleY(heads, { stroke: theme.faint, dy: -rowHeight / 2 }),
        Plot.axisX({
          ticks: 8,
          tickSize: 0,
          tickPadding: 8,
          label: words.accuracy.toLowerCase(),
          labelAnchor: "center",
          labelArrow: "none",
          tickFormat: (value: number) => `${Math.round(100 * value)} %`,
        }),
        Plot.axisY({ tickSize: 0, tickPadding: 10, label: null }),
        Plot.dot(dots, {
          x: "accuracy",
          y: "label",
          r: 5.5,
          symbol: ({ style }: (typeof dots)[number]) => style.symbol,
          fill: ({ style, isLive }: (typeof dots)[number]) => (isLive ? theme.paper : style.colour),
          fillOpacity: 0.85,
          stroke: ({ style, isLive }: (typeof dots)[number]) => (isLive ? style.colour : theme.paper),
          strokeWidth: ({ isLive }: (typeof dots)[number]) => (isLive ? 2 : 1),
        }),
        Plot.text(best, {
          y: "label",
          frameAnchor: "right",
          textAnchor: "start",
          dx: 12,
          fontWeight: 600,
          fontVariant: "tabular-nums",
          text: ({ accuracy }: (typeof best)[number]) => percent(accuracy),
        }),
      ],
    }),
    0,
    head,
  );
  drawing.text(width - margin.right - 44, head, words.best, { fill: theme.quiet });
  return drawing.toString();
}

/** The palette of Okabe and Ito as far as the theme has none of its own. */
function colours({ blue, orange, ink }: Theme): string[] {
  return [blue, orange, "#009e73", "#cc79a7", ink, "#56b4e9"];
}

function legend(
  drawing: Drawing,
  styles: ReadonlyMap<string, { symbol: (typeof symbols)[number]; colour: string }>,
): void {
  const entries = [...styles].map(([name, style]) => ({ name, ...style }));
  let x = margin.left;
  const places = entries.map((entry) => {
    const place = { ...entry, x };
    // Bold letters are about so wide, capitals wider.
    const capitals = entry.name.replaceAll(/[^A-Z]/g, "").length;
    x += 34 + fontSize * (0.62 * entry.name.length + 0.16 * capitals);
    return place;
  });
  for (const { name, x } of places)
    drawing.text(x + 12, 22.5, name, { fill: drawing.theme.ink, "font-weight": 600 });
  drawing.plot(
    Plot.plot({
      document: drawing.document as never,
      width,
      height: headHeight.legend,
      margin: 0,
      axis: null,
      x: { domain: [0, width], range: [0, width] },
      y: { domain: [0, headHeight.legend], range: [0, headHeight.legend] },
      marks: [
        Plot.dot(places, {
          x: "x",
          y: headHeight.legend / 2,
          r: 5.5,
          symbol: ({ symbol }: (typeof places)[number]) => symbol,
          fill: ({ colour }: (typeof places)[number]) => colour,
        }),
      ],
    }),
  );
}
