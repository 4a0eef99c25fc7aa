import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { version } from "../../src/core/version.js";

test("the version is the package's", () => {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  expect(version).toBe(JSON.parse(text).version);
});
