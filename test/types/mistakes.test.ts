import { readFileSync } from "node:fs";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { openReference } from "../../src/devices/reference/reference.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { diagnosticsOf, here } from "./compiler.js";

const path = here("mistakes.ts");
// By a variable, so that `npm run typecheck` does not follow.
const { mistakes } = (await import(path)) as { mistakes: Record<string, () => unknown> };
const text = readFileSync(path, "utf8");
const found = diagnosticsOf(path);
const mark = "/* here */";

/** The name and extent of each entry of `mistakes`. */
const entries: { sentence: string; from: number; to: number }[] = [];
const visit = (node: ts.Node): void => {
  if (
    ts.isPropertyAssignment(node) &&
    ts.isStringLiteral(node.name) &&
    ts.isArrowFunction(node.initializer)
  ) {
    entries.push({ sentence: node.name.text, from: node.initializer.getStart(), to: node.end });
  }
  ts.forEachChild(node, visit);
};
visit(ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true));

useDevice(openReference());

test("every entry was read, and the compiler finds nothing else", () => {
  expect(entries.map(({ sentence }) => sentence)).toEqual(Object.keys(mistakes));
  expect(entries.length).toBeGreaterThanOrEqual(40);
  expect(found.length).toBe(entries.length);
});

describe("the compiler and the run time say", () => {
  test.each(entries)("$sentence", async ({ sentence, from, to }) => {
    const here = found.filter(({ start }) => start >= from && start < to);
    expect(here.length).toBe(1);
    const [{ start, message }] = here as [(typeof here)[number]];
    expect(message).toContain(`'"${sentence}"'`);
    const marked = text.indexOf(mark, from) + mark.length;
    expect(text.slice(start, to)).toBe(text.slice(marked, to).trimStart());
    await expect(async () => mistakes[sentence]!()).rejects.toThrow(new RangeError(sentence));
  });
});
