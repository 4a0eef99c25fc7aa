import { accuracyDomain, lossDomain } from "./domains.js";

/** How training stood, or stands, after so many epochs, a fraction within one. */
export interface TerminalPoint {
  readonly epoch: number;
  readonly loss: number;
  readonly trainAccuracy: number;
  /** Known at an epoch's end. */
  readonly testAccuracy?: number;
}

export interface TerminalCurvesOptions {
  /** Columns of the terminal. */
  readonly columns: number;
  /** Of the whole run, where the axis ends; the last point's if left out. */
  readonly epochs?: number | undefined;
  readonly useColour: boolean;
  /** What the book published, as dotted lines. */
  readonly reference?: { readonly loss: number; readonly testAccuracy: number } | undefined;
}

/** Columns below which there is no room for two panels. */
export const leastColumns = 60;
/** Lines of `terminalCurves`. */
export const terminalCurvesHeight = 11;
const mostColumns = 120;
const rows = terminalCurvesHeight - 3;

interface Curve {
  readonly label: string;
  readonly marker: string;
  /** An SGR colour; the terminal's own if left out. */
  readonly colour?: number | undefined;
  readonly points: readonly (readonly [epoch: number, value: number])[];
}

/**
 * Loss and accuracies by epoch as text, in two panels beside each other below a legend: `terminalCurvesHeight` lines,
 * shorter than `columns`. Curves are told apart by their markers, which stand at whole epochs and at a curve's end;
 * values that are not finite leave a gap.
 */
export function terminalCurves(points: readonly TerminalPoint[], options: TerminalCurvesOptions): string[] {
  const { columns, useColour, reference } = options;
  const width = Math.floor((Math.min(columns, mostColumns) - 4) / 2);
  const last = options.epochs ?? Math.ceil(points.at(-1)?.epoch ?? 1);
  const curve = (value: (point: TerminalPoint) => number | undefined): Curve["points"] =>
    points.flatMap((point) => (value(point) === undefined ? [] : [[point.epoch, value(point)!] as const]));
  const loss: Curve = { label: "train loss", marker: "●", points: curve((point) => point.loss) };
  const train: Curve = {
    label: "train acc",
    marker: "○",
    colour: 36,
    points: curve((point) => point.trainAccuracy),
  };
  const test: Curve = {
    label: "test acc",
    marker: "▲",
    colour: 33,
    points: curve((point) => point.testAccuracy),
  };
  const panel = (
    curves: readonly Curve[],
    domainOf: typeof lossDomain,
    level: number | undefined,
  ): string[] => {
    const values = curves.flatMap(({ points }) => points.map(([, value]) => value)).concat(level ?? []);
    return new Panel(width, last, domainOf(values), useColour).draw(curves, level);
  };
  const left = panel([loss], lossDomain, reference?.loss);
  const right = panel([train, test], accuracyDomain, reference?.testAccuracy);
  const names = [loss, train, test].map(({ label, marker, colour }) => {
    return `${painted(marker, useColour ? colour : undefined)} ${label}`;
  });
  if (reference) names.push(`${painted("┈", useColour ? faint : undefined)} the book`);
  return [`   ${names.join("   ")}`, ...left.map((line, k) => `${line}  ${right[k]}`)];
}

const faint = 90;

interface Cell {
  /** Bits of a braille pattern, of two columns and four rows. */
  dots: number;
  /** Instead of the dots. */
  mark?: string | undefined;
  colour?: number | undefined;
}

/** Bits by row and column within a braille character. */
const bits = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
];

/** Curves in a frame of text. */
class Panel {
  private readonly labels: readonly string[];
  private readonly columns: number;
  private readonly cells: Cell[][];

  constructor(
    width: number,
    private readonly epochs: number,
    private readonly domain: readonly [number, number],
    private readonly useColour: boolean,
  ) {
    const ends = [domain[1], domain[0]].map((value) => String(Number(value.toPrecision(3))));
    this.labels = ends.map((text) => text.padStart(Math.max(4, ...ends.map(({ length }) => length))));
    this.columns = width - this.labels[0]!.length - 1;
    this.cells = Array.from({ length: rows }, () =>
      Array.from({ length: this.columns }, () => ({ dots: 0 })),
    );
  }

  draw(curves: readonly Curve[], level: number | undefined): string[] {
    if (level !== undefined)
      for (const cell of this.cells[this.place(0, level).y >> 2]!)
        Object.assign(cell, { mark: "┈", colour: faint });
    for (const curve of curves) this.line(curve);
    for (const curve of curves) this.markers(curve);
    const blank = " ".repeat(this.labels[0]!.length);
    const end = `${this.epochs} ${this.epochs === 1 ? "epoch" : "epochs"}`;
    return [
      ...this.cells.map((row, k) => {
        const label = k === 0 ? this.labels[0] : k === rows - 1 ? this.labels[1] : blank;
        return `${label}│${row.map((cell) => this.text(cell)).join("")}`;
      }),
      `${blank}└${"─".repeat(this.columns)}`,
      `${blank}0${end.padStart(this.columns)}`,
    ];
  }

  /** A value's dot, from the upper left. */
  private place(epoch: number, value: number): { x: number; y: number } {
    const [low, high] = this.domain;
    const scaled = (share: number, count: number) =>
      Math.round(Math.min(1, Math.max(0, share)) * (count - 1));
    return {
      x: scaled(epoch / this.epochs, 2 * this.columns),
      y: scaled((high - value) / (high - low), 4 * rows),
    };
  }

  private line({ points, colour }: Curve): void {
    points.slice(1).forEach(([epoch, value], k) => {
      if (!Number.isFinite(value) || !Number.isFinite(points[k]![1])) return;
      const [from, to] = [this.place(...points[k]!), this.place(epoch, value)];
      const steps = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y), 1);
      for (let step = 0; step <= steps; step++) {
        const x = Math.round(from.x + ((to.x - from.x) * step) / steps);
        const y = Math.round(from.y + ((to.y - from.y) * step) / steps);
        const cell = this.cells[y >> 2]![x >> 1]!;
        cell.dots |= bits[y & 3]![x & 1]!;
        cell.mark = undefined;
        cell.colour = colour;
      }
    });
  }

  /** At the last point, and at as many whole epochs as leave a curve to be seen between them. */
  private markers({ points, marker, colour }: Curve): void {
    const every = Math.ceil((3 * this.epochs) / this.columns);
    points.forEach(([epoch, value], k) => {
      if (!Number.isFinite(value) || (epoch % every !== 0 && k < points.length - 1)) return;
      const { x, y } = this.place(epoch, value);
      Object.assign(this.cells[y >> 2]![x >> 1]!, { mark: marker, colour });
    });
  }

  private text({ dots, mark, colour }: Cell): string {
    const letter = mark ?? (dots === 0 ? " " : String.fromCharCode(0x2800 + dots));
    return painted(letter, this.useColour ? colour : undefined);
  }
}

function painted(text: string, colour: number | undefined): string {
  return colour === undefined ? text : `\u001b[${colour}m${text}\u001b[0m`;
}
