import { Drawing, type ViewOptions } from "./drawing.js";
import { type Pixels, photograph } from "./pixels.js";

/** An image, and those nearest to it by each of several measures. */
export interface NeighborRow {
  readonly name: string;
  readonly pixels: Pixels;
  readonly groups: readonly {
    readonly measure: string;
    readonly nearest: readonly {
      readonly name: string;
      readonly pixels: Pixels;
      readonly isSameClass: boolean;
    }[];
  }[];
}

const size = 56;
const gap = 6;
const margin = 16;
const groupGap = 28;
const top = 44;

/** A row an image: the image, then its nearest by each measure; those of another class are framed and crossed at a corner. */
export function neighborsSvg(rows: readonly NeighborRow[], options: ViewOptions = {}): string {
  const counts = rows[0]?.groups.map(({ nearest }) => nearest.length) ?? [];
  const lefts = counts.map((_, g) =>
    counts.slice(0, g).reduce((x, count) => x + count * (size + gap) + groupGap, margin + size + groupGap),
  );
  const width = counts.reduce((x, count) => x + count * (size + gap) + groupGap, margin + size) + margin;
  const height = top + rows.length * (size + gap) + margin;
  const description = rows
    .map(({ name, groups }) =>
      groups
        .map(
          ({ measure, nearest }) =>
            `${name}, ${measure}: ${nearest.filter(({ isSameClass }) => isSameClass).length} of ${nearest.length} of its class`,
        )
        .join("; "),
    )
    .join("; ");
  const drawing = new Drawing(width, height, "Nearest neighbours", description, options);
  const { theme } = drawing;
  drawing.text(margin, 26, "image", { "font-weight": 600 });
  rows[0]?.groups.forEach(({ measure }, g) => {
    drawing.text(lefts[g]!, 26, measure, { "font-weight": 600 });
  });
  rows.forEach(({ name, pixels, groups }, r) => {
    const y = top + r * (size + gap);
    drawing.picture(photograph(pixels), margin, y, size, size, name);
    groups.forEach(({ nearest }, g) => {
      nearest.forEach((one, k) => {
        const x = lefts[g]! + k * (size + gap);
        drawing.picture(photograph(one.pixels), x, y, size, size, one.name);
        if (one.isSameClass) return;
        const frame = { x: x + 1, y: y + 1, width: size - 2, height: size - 2 };
        drawing.add("rect", { ...frame, fill: "none", stroke: theme.orange, "stroke-width": 2.5 });
        drawing.add("rect", { x: x + size - 15, y, width: 15, height: 15, fill: theme.orange });
        const cross = `M${x + size - 11.5} ${y + 3.5}l8 8m0 -8l-8 8`;
        drawing.add("path", { d: cross, stroke: theme.paper, "stroke-width": 2 });
      });
    });
  });
  return drawing.toString();
}
