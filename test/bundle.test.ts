import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import * as browser from "../src/browser.js";
import * as node from "../src/index.js";
import { bundleForBrowser } from "./support/bundle.js";

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

describe("in a bundle for browsers", () => {
  test("LeNet's training takes less than 100 KB gzipped, and nothing of Node", async () => {
    const { text, gzippedBytes, files } = await bundleForBrowser(path("support/lenet_in_browser.ts"));
    console.log(`LeNet's training for a browser: ${(gzippedBytes / 1000).toFixed(1)} KB gzipped`);
    expect(gzippedBytes).toBeLessThan(100_000);
    // With what is around it: a message, say, that happens to have the word.
    expect(text.match(/.{0,40}(["'`]node:|\bprocess\b|\bBuffer\b|\brequire\(|__dirname).{0,40}/)?.[0]).toBe(
      undefined,
    );
    expect(files.filter((file) => /devices\/cpu\/|node_modules/.test(file))).toEqual([]);
  });

  test("the whole library loads where there are no globals of Node's", async () => {
    const { text, gzippedBytes } = await bundleForBrowser(path("../src/browser.ts"));
    console.log(`the whole library for a browser: ${(gzippedBytes / 1000).toFixed(1)} KB gzipped`);
    // As a classic script, since vm runs no modules here; a context of its own has only the language's globals.
    const script = text.replace(/export\{[^}]*\};?\s*$/, "").replaceAll("import.meta.url", '"bundle.js"');
    await runInNewContext(`(async () => {${script}})()`, { performance, TextEncoder, TextDecoder, console });
  });
});

test("what exists in a browser has Node's names", () => {
  const names = (module: object): string[] => Object.keys(module);
  const missing = (ours: object, theirs: object) =>
    names(ours).filter((name) => !names(theirs).includes(name));
  expect(missing(browser, node)).toEqual([]);
  expect(missing(browser.data, node.data)).toEqual([]);
  expect(missing(browser.classic, node.classic)).toEqual([]);
  expect(missing(node, browser).sort()).toEqual([
    "Classifier",
    "connectMpi",
    "exportOnnx",
    "loadWeights",
    "saveWeights",
  ]);
  expect(missing(node.data, browser.data)).toEqual(["readIdx"]);
  expect(missing(node.classic, browser.classic)).toEqual(["loadModel", "saveModel"]);
});
