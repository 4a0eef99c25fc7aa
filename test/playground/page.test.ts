import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { languages } from "../../playground/src/strings.js";
import { darkTheme, lightTheme } from "../../src/views/theme.js";

const read = (name: string) => readFileSync(new URL(`../../playground/${name}`, import.meta.url), "utf8");

test("the page's colours are those of every view", () => {
  const found = [...read("src/style.css").matchAll(/--(\w+): light-dark\((\S+), (\S+)\);/g)];
  const colours = (at: 2 | 3) => Object.fromEntries(found.map((match) => [match[1], match[at]]));
  expect(colours(2)).toEqual(lightTheme);
  expect(colours(3)).toEqual(darkTheme);
});

test("every text of index.html exists, and what it holds before the script runs is the English one", () => {
  const { en } = languages;
  const page = read("index.html");
  const named = [...page.matchAll(/data-text="(\w+)"[^>]*>([^<]*)/g)];
  expect(named.length).toBeGreaterThan(10);
  for (const [, name, text] of named) {
    expect(en[name as keyof typeof en]).toBeTypeOf("string");
    if (text) expect(text).toBe(en[name as keyof typeof en]);
  }
  for (const [, name] of page.matchAll(/data-label="(\w+)"/g))
    expect(en[name as keyof typeof en]).toBeTypeOf("string");
});
