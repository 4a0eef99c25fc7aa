/**
 * Fills the tables of docs/history.md from results/: `npm run history`. With `--check` it writes nothing and fails
 * where the document is not what the results say.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { VariantSummary } from "../src/experiments/ablation.js";
import type { Comparison, NetworkResult } from "../src/experiments/comparison.js";

const root = new URL("..", import.meta.url);
const document = new URL("docs/history.md", root);

/** What `flybrick compare` and `flybrick ablate` write beside their figures. */
interface Made {
  readonly data: string;
  readonly device: string;
  readonly date: string;
}

type Study = Made & { readonly variants: readonly Omit<VariantSummary, "trials">[] };

const blocks: Readonly<Record<string, () => string>> = {
  accuracies: () => comparisonTable("", (cell) => `${percent(cell.accuracy)}${cell.converged ? "" : "*"}`),
  times: () =>
    comparisonTable(
      "seconds to learn + to predict",
      (cell) => `${seconds(cell.fitSeconds)} + ${seconds(cell.predictSeconds)}`,
    ),
  networks: networksTable,
  layers: layersTable,
  lenet: () => studyTable("lenet"),
  alexnet: () => studyTable("alexnet"),
  notebook: () => studyTable("notebook"),
  claims: () => studyTable("claims"),
  start: () => studyTable("start"),
  sizes: () => studyTable("sizes"),
  memory: () => comparisonTable("MB at the highest", (cell) => number(Math.round(cell.peakBytes / 1e6))),
};

function comparisonTable(corner: string, text: (cell: Comparison["cells"][number]) => string): string {
  const made = comparison();
  const { cells } = made;
  const learners = made.learners.filter((name) => cells.some(({ learner }) => learner === name));
  const rows = distinct(cells.map(({ features }) => features)).map((name) => {
    const own = cells.filter(({ features }) => features === name);
    const found = learners.map((learner) => own.find((cell) => cell.learner === learner));
    return [name, number(own[0]!.columns), ...found.map((cell) => (cell ? text(cell) : ""))];
  });
  return `${table([corner, "numbers", ...learners], rows)}\n\n${origin(made)}`;
}

function networksTable(): string {
  const header = [
    "",
    "test accuracy",
    "parameters",
    "multiply-adds an image",
    "epochs",
    "to learn",
    "to predict 10,000",
    "memory",
  ];
  const rows = comparison().networks.map((one) => [
    one.network,
    percent(one.accuracy),
    number(one.parameters),
    number(one.multiplyAdds),
    String(one.epochs.length),
    `${seconds(one.fitSeconds)} s`,
    `${seconds(one.predictSeconds)} s`,
    `${number(Math.round(one.peakBytes / 1e6))} MB`,
  ]);
  return table(header, rows);
}

/** LeNet's and AlexNet's layers that have weights, side by side. */
function layersTable(): string {
  const { networks } = comparison();
  const [lenet, alexnet] = ["LeNet", "AlexNet"].map((name) =>
    weighty(networks.find(({ network }) => network === name)!),
  );
  const kinds = ["Conv2d", "Linear"];
  const rows = kinds.flatMap((kind) => {
    const [small, large] = [lenet!, alexnet!].map((layers) => layers.filter(({ layer }) => layer === kind));
    return large!.map((layer, i) => [
      `${kind === "Conv2d" ? "convolution" : "linear"} ${i + 1}`,
      ...cellsOf(small![i]),
      ...cellsOf(layer),
    ]);
  });
  const header = [
    "",
    "LeNet: output",
    "parameters",
    "multiply-adds",
    "AlexNet: output",
    "parameters",
    "multiply-adds",
  ];
  return table(header, rows);
}

function weighty({ layers }: NetworkResult): NetworkResult["layers"] {
  return layers.filter(({ parameters }) => parameters > 0);
}

function cellsOf(layer: NetworkResult["layers"][number] | undefined): string[] {
  if (!layer) return ["", "", ""];
  return [layer.outputShape.slice(1).join(" x "), number(layer.parameters), number(layer.multiplyAdds)];
}

function studyTable(name: string): string {
  const path = `results/ablate-${name}/summary.json`;
  if (!existsSync(new URL(path, root)))
    return `*Not run yet: \`npx flybrick ablate ${name} --out results/ablate-${name}\`.*`;
  const made = read<Study>(path);
  const header = ["", "test accuracy", "training accuracy", "learning rate", "epochs to 75 % in training"];
  const rows = made.variants.map((row) => [
    row.variant,
    spread(row.testAccuracy),
    spread(row.trainAccuracy),
    rateText(row),
    row.epochsToQuarterError === null ? "never" : String(row.epochsToQuarterError),
  ]);
  return `${table(header, rows)}\n\n${origin(made)}`;
}

/** With a word where a smaller or larger rate than those tried might be better still. */
function rateText({ learningRate, learningRates }: Study["variants"][number]): string {
  if (learningRates.length === 1) return `${learningRate}`;
  if (learningRate === learningRates[0]) return `${learningRate}, the smallest tried`;
  return `${learningRate}${learningRate === learningRates.at(-1) ? ", the largest tried" : ""}`;
}

function comparison(): Comparison & Made {
  const made = read<Comparison & Made>("results/compare/summary.json");
  if (made.cells.length === 0 || made.networks.length < 3)
    throw new Error("results/compare lacks rows: run npx flybrick compare --full --out results/compare");
  return made;
}

function read<T>(path: string): T {
  if (!existsSync(new URL(path, root)))
    throw new Error(`${path} is missing: docs/history.md says how it is made`);
  return JSON.parse(readFileSync(new URL(path, root), "utf8"));
}

function origin({ data, device, date }: Made): string {
  return `<sub>${data.replace(/, from .*/, ".")} ${device}, ${date}.</sub>`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = header.map((_, i) => (i === 0 ? "---" : "---:"));
  return [line(header), line(rule), ...rows.map(line)].join("\n");
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function spread({ mean, deviation, values }: VariantSummary["testAccuracy"]): string {
  const text = (100 * mean).toFixed(1);
  return values.length > 1 ? `${text} ± ${(100 * deviation).toFixed(1)} %` : `${text} %`;
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}

function seconds(value: number): string {
  return value < 10 ? value.toFixed(1) : number(Math.round(value));
}

const before = readFileSync(document, "utf8");
const after = before.replaceAll(/(<!-- table: (\w+) -->\n)[\s\S]*?(<!-- end -->)/g, (_, start, name, end) => {
  const block = blocks[name];
  if (!block)
    throw new Error(`docs/history.md asks for a table ${name}; there are ${Object.keys(blocks).join(", ")}`);
  return `${start}${block()}\n${end}`;
});
if (process.argv.includes("--check")) {
  if (before !== after) {
    console.error("docs/history.md is not what results/ say: run npm run history");
    process.exitCode = 1;
  }
} else {
  writeFileSync(document, after);
  console.log(`${fileURLToPath(document)} is up to date`);
}
