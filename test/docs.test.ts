import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { diagnosticsOf } from "./types/compiler.js";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The first code after a heading of a document. */
function codeUnder(heading: string, document: string): string {
  const text = readFileSync(new URL(`../docs/${document}`, import.meta.url), "utf8");
  return /```ts\n([\s\S]*?)```/.exec(text.slice(text.indexOf(`## ${heading}\n`)))![1]!;
}

test("the loop of your own has ten lines, and learns", async () => {
  const code = codeUnder("A loop of your own", "training.md");
  expect(code.slice(code.indexOf("const net")).trim().split("\n").length).toBeLessThanOrEqual(10);
  // From the package's directory, "flybrick" is the package itself.
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", code], {
    cwd: root,
  });
  const accuracies = [...stdout.matchAll(/accuracy: (\S+),/g)].map(([, value]) => Number(value));
  expect(accuracies).toHaveLength(2);
  expect(accuracies.at(-1)).toBeGreaterThan(0.6);
});

/** Every block of TypeScript in the README and the documents, by where it stands. */
const blocks = ["README.md", ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`)]
  // A page's code needs a browser's types; test/pages runs it.
  .filter((path) => path.endsWith(".md") && path !== "docs/browser.md")
  .flatMap((path) => {
    const text = readFileSync(join(root, path), "utf8");
    return [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(({ 1: code, index }) => ({
      place: `${path}:${text.slice(0, index).split("\n").length + 1}`,
      code: code!,
    }));
  })
  .filter(({ code }) => !code.includes('url: "fashion-mnist"'));

test.each(blocks)("the code at $place is whole, and its types are right", ({ code }) => {
  expect(diagnosticsOf(join(root, "block.ts"), code).map(({ message }) => message)).toEqual([]);
});

test("the scaling model's tables follow from what was measured", async () => {
  const script = ["--import", "tsx", "scripts/make_scaling.ts", "--check"];
  const { stderr } = await promisify(execFile)(process.execPath, script, { cwd: root });
  expect(stderr).toBe("");
});

test("the history says what the results say", async () => {
  const script = ["--import", "tsx", "scripts/make_history.ts", "--check"];
  const { stderr } = await promisify(execFile)(process.execPath, script, { cwd: root });
  expect(stderr).toBe("");
});
