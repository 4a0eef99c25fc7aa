/**
 * Fills the tables of docs/scaling.md from results/scaling/scaling.json, which bench/scaling.ts measures: `npm run
 * scaling`. With `--check` it writes nothing and fails where the document is not what model and measurements say.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { Parts } from "../bench/rank.js";
import type { Scaling } from "../bench/scaling.js";

const document = new URL("../docs/scaling.md", import.meta.url);
const measured = JSON.parse(
  readFileSync(new URL("../results/scaling/scaling.json", import.meta.url), "utf8"),
) as Scaling;

/** What nothing here could measure: the share of a network's nominal rate that messages get, and a message's latency. */
const usableShare = 0.9;
const latency = 30e-6;
const networks = [10, 100, 400];
const machines = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
};

/** The step of median length. */
function typical(steps: readonly Parts[]): Parts {
  return [...steps].sort((a, b) => a.step - b.step)[steps.length >> 1]!;
}

/** Seconds in which this host copies and sums so many bytes with one other rank, between measured sizes on a line. */
function hostSeconds(bytes: number): number {
  const points = measured.allReduce.map((one) => ({ bytes: one.bytes, seconds: median(one.seconds) }));
  const at = Math.min(
    Math.max(
      1,
      points.findIndex((one) => one.bytes >= bytes),
    ),
    points.length - 1,
  );
  const above = bytes > points.at(-1)!.bytes ? points.length - 1 : at;
  const [a, b] = [points[above - 1]!, points[above]!];
  return Math.max(0, a.seconds + ((b.seconds - a.seconds) * (bytes - a.bytes)) / (b.bytes - a.bytes));
}

/**
 * A sum over `count` machines, in a ring (Patarasuk and Yuan, 2009): each sends and receives 2 (count - 1) / count of the
 * bytes in 2 (count - 1) messages; or, for few bytes, all of them in log2 count messages. The host's own work takes
 * what it takes with one other rank, as many times as there are more bytes to send.
 */
function sumSeconds(bytes: number, count: number, bitsPerSecond: number): number {
  const wire = (8 * bytes) / (bitsPerSecond * usableShare);
  const share = (2 * (count - 1)) / count;
  // As many calls as src/distributed/mpi_thread.ts makes of it.
  const calls = Math.ceil(bytes / (2 ** 21 * count));
  const ring = share * wire + calls * 2 * (count - 1) * latency;
  const rounds = Math.ceil(Math.log2(count));
  return Math.max(Math.min(ring, rounds * (wire + latency)), share * hostSeconds(bytes));
}

/** Seconds of a step, and how much of its sums lies behind the backward pass. */
function stepSeconds(parts: Parts, sum: (bytes: number) => number): { step: number; hidden: number } {
  let free = 0;
  let summing = 0;
  for (const { bytes, known } of parts.buckets) {
    const seconds = sum(bytes);
    summing += seconds;
    free = Math.max(free, known) + seconds;
  }
  const exposed = Math.max(0, free - parts.gradients);
  return { step: parts.step + exposed, hidden: 1 - exposed / summing };
}

const round = (value: number, digits = 0): string =>
  value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const percent = (share: number): string => `${round(100 * share)} %`;
const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n");
const range = (values: readonly number[], digits = 0): string =>
  `${round(median(values), digits)} (${round(Math.min(...values), digits)} to ${round(Math.max(...values), digits)})`;

const { date, processor, cores, node, library } = measured;
const batch = 128;
const alone = typical(measured.parts.alone);
const together = typical(measured.parts.together);
/** A machine twenty times as fast, whose memory is not. */
const fast: Parts = {
  buckets: alone.buckets.map(({ bytes, known }) => ({ bytes, known: known / 20 })),
  gradients: alone.gradients / 20,
  step: alone.step / 20,
};
const rates = {
  alone: measured.train.alone.flatMap((one) => one.rates),
  together: measured.train.together.flatMap((one) => one.rates),
};

const blocks: Readonly<Record<string, () => string>> = {
  made: () => `${date}, ${processor}, ${cores} cores, Node ${node.slice(1)}, ${library}.`,
  two: () => {
    const { steps, bytes, buckets, summing, waiting, exposed } = measured.train.together.at(-1)!.exchange!;
    const ms = (seconds: number): string => `${round((1000 * seconds) / steps)} ms`;
    return [
      table(
        ["AlexNet, batch 128 in all", "images/s, median (lowest to highest epoch)", "n"],
        [
          ["one rank of two threads", range(rates.alone), String(rates.alone.length)],
          ["two ranks of one thread", range(rates.together), String(rates.together.length)],
        ],
      ),
      "",
      `Two ranks reach ${round(median(rates.together) / median(rates.alone), 2)} of one rank's. A step sums ${round(bytes / 2 ** 20)} MiB in ${buckets} buckets, which takes ${ms(summing)}, and waits ${ms(waiting)} for the other rank; ${ms(exposed)} of both come after the backward pass, so that ${percent(Math.max(0, 1 - exposed / (summing + waiting)))} are hidden.`,
    ].join("\n");
  },
  parts: () =>
    table(
      ["part", "one rank of two threads, 128 images", "two ranks of one thread, 64 each"],
      [
        ...alone.buckets.map(({ bytes, known }, k) => [
          `bucket ${k + 1} (${round(bytes / 2 ** 20, 1)} MiB) known after`,
          `${round(1000 * known)} ms`,
          `${round(1000 * together.buckets[k]!.known)} ms`,
        ]),
        ["gradients", `${round(1000 * alone.gradients)} ms`, `${round(1000 * together.gradients)} ms`],
        ["step", `${round(1000 * alone.step)} ms`, `${round(1000 * together.step)} ms`],
      ],
    ),
  sums: () =>
    table(
      ["MiB", ...measured.allReduce.map(({ bytes }) => round(bytes / 2 ** 20, bytes < 2 ** 20 ? 2 : 0))],
      [["ms", ...measured.allReduce.map(({ seconds }) => round(1000 * median(seconds), 2))]],
    ),
  cable: () =>
    table(
      ["MiB", "measured, ms", "model, ms"],
      measured.cable.allReduce.map(({ bytes, seconds }) => [
        round(bytes / 2 ** 20, 2),
        round(1000 * median(seconds), 1),
        round(1000 * sumSeconds(bytes, 2, measured.cable.megabits * 1e6), 1),
      ]),
    ),
  check: () => {
    const { step, hidden } = stepSeconds(together, hostSeconds);
    const predicted = batch / step;
    const found = median(rates.together);
    return `The model says ${round(predicted)} images/s for two ranks of one thread on this machine, with ${percent(hidden)} of the sums hidden; ${round(found)} were measured, ${percent(Math.abs(1 - found / predicted))} ${found < predicted ? "fewer" : "more"}.`;
  },
  weak: () =>
    table(
      ["machines", ...networks.flatMap((one) => [`${one} Gb/s`, "efficiency"])],
      machines.map((count) => [
        round(count),
        ...networks.flatMap((gigabits) => {
          const { step } = stepSeconds(alone, (bytes) => sumSeconds(bytes, count, gigabits * 1e9));
          return [round((count * batch) / step), percent(alone.step / step)];
        }),
      ]),
    ),
  fast: () =>
    table(
      ["machines", ...networks.flatMap((one) => [`${one} Gb/s`, "efficiency"])],
      machines.map((count) => [
        round(count),
        ...networks.flatMap((gigabits) => {
          const { step } = stepSeconds(fast, (bytes) => sumSeconds(bytes, count, gigabits * 1e9));
          return [round((count * batch) / step), percent(fast.step / step)];
        }),
      ]),
    ),
  loader: () =>
    `The loader, a gather and a resize to 224 on the device, gives ${range(measured.loader)} images/s with two threads, ${round(median(measured.loader) / (batch / alone.step))} times what the network takes; it is part of the step above.`,
};

let text = readFileSync(document, "utf8");
const before = text;
for (const [name, make] of Object.entries(blocks)) {
  const place = new RegExp(`(<!-- table: ${name} -->\\n)[\\s\\S]*?(<!-- end -->)`);
  if (!place.test(text)) throw new Error(`docs/scaling.md has no place for ${name}`);
  text = text.replace(place, (_, start: string, end: string) => `${start}${make()}\n${end}`);
}
if (!process.argv.includes("--check")) writeFileSync(document, text);
else if (text !== before)
  throw new Error("docs/scaling.md is not what the measurements say: run npm run scaling");
