import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../src", import.meta.url));

/** In processing order: a layer imports itself and those before it, types and values alike. */
const order = [
  "core",
  "render",
  "devices",
  "graph",
  "compile",
  "tensor",
  "ops",
  "nn",
  "optim",
  "data",
  "views",
  "models",
  "distributed",
  "train",
  "deploy",
  "classic",
  "experiments",
  "cli",
];

/** Of the package: for Node, for browsers, and what both have. */
const entries = new Set(["index.ts", "browser.ts", "portable.ts"]);

interface Import {
  readonly from: string;
  readonly to: string;
}

function sourceFiles(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? sourceFiles(path) : entry.name.endsWith(".ts") ? [path] : [];
  });
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, "utf8");
  const found = [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map((match) => match[1]!);
  return found.map((path) => ({
    from: relative(root, file),
    to: normalize(join(relative(root, dirname(file)), path.replace(/\.js$/, ".ts"))),
  }));
}

const imports = sourceFiles(root).flatMap(importsOf);
const layerOf = (file: string): string => file.split("/")[0]!;

test("the sources were read", () => {
  expect(imports.length).toBeGreaterThan(100);
  const directories = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(directories.map(({ name }) => name).sort()).toEqual([...order].sort());
});

test("imports point one way through the layers", () => {
  const backwards = imports.filter(
    ({ from, to }) =>
      !entries.has(from) && (entries.has(to) || order.indexOf(layerOf(to)) > order.indexOf(layerOf(from))),
  );
  expect(backwards).toEqual([]);
});

test("no file imports itself through others", () => {
  const graph = new Map<string, string[]>();
  for (const { from, to } of imports) graph.set(from, [...(graph.get(from) ?? []), to]);
  const state = new Map<string, "open" | "done">();
  const cycles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === "open") cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
    if (state.has(file)) return;
    state.set(file, "open");
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    state.set(file, "done");
  };
  for (const file of graph.keys()) visit(file, []);
  expect(cycles).toEqual([]);
});

test("only devices/open.ts and devices/open_browser.ts name devices", () => {
  const naming = imports.filter(
    ({ from, to }) => /^devices\/(webgpu|cpu|wasm|reference)\//.test(to) && layerOf(from) !== "devices",
  );
  // The shape table computes nothing and needs no other device than the one that is always there.
  expect(naming.map(({ from }) => from)).toEqual(["cli/summary.ts"]);
});
