/**
 * Just enough of vitest to run test files as plain modules, where vitest itself cannot run (scripts/check_neon.sh). A title
 * that matches FLYBRICK_SKIP is left out, and counted.
 */
import { deepStrictEqual, match, ok } from "node:assert";

const left = process.env.FLYBRICK_SKIP ? new RegExp(process.env.FLYBRICK_SKIP) : null;
const tests = [];
const titles = [];
const before = [];

export function describe(title, body) {
  titles.push(title);
  const hooks = before.length;
  body();
  before.length = hooks;
  titles.pop();
}

export function test(title, ...rest) {
  const body = rest.find((one) => typeof one === "function");
  tests.push({ title: [...titles, title].join(" > "), body, hooks: [...before] });
}

test.each = (rows) => (title, body) => {
  for (const row of rows) {
    const values = Array.isArray(row) ? row : [row];
    test(title.replace("%s", values[0]), () => body(...values));
  }
};
export const it = test;
export const beforeEach = (hook) => void before.push(hook);

function message(pattern, text) {
  if (pattern instanceof RegExp) match(text, pattern);
  else ok(text.includes(pattern), `${JSON.stringify(text)} lacks ${JSON.stringify(pattern)}`);
}

function matchers(actual, note) {
  const told = (wanted) => `${note ? `${note}: ` : ""}${String(actual)} ${wanted}`;
  return {
    toBe: (expected) => ok(Object.is(actual, expected), told(`is not ${String(expected)}`)),
    toEqual: (expected) => deepStrictEqual(actual, expected),
    toBeLessThan: (most) => ok(actual < most, told(`is not below ${most}`)),
    toBeLessThanOrEqual: (most) => ok(actual <= most, told(`is above ${most}`)),
    toBeGreaterThan: (least) => ok(actual > least, told(`is not above ${least}`)),
    toMatch: (pattern) => message(pattern, actual),
    toThrow: (pattern) => {
      let thrown = null;
      try {
        actual();
      } catch (error) {
        thrown = error;
      }
      ok(thrown, "nothing was thrown");
      message(pattern, thrown.message);
    },
  };
}

export const expect = (actual, note) => ({
  ...matchers(actual, note),
  not: { toBe: (other) => ok(!Object.is(actual, other), `${note ?? ""} is ${String(other)}`) },
  rejects: {
    toThrow: async (pattern) => {
      const error = await actual.then(
        () => null,
        (reason) => reason,
      );
      ok(error, "nothing was rejected");
      message(pattern, error.message);
    },
  },
});

/** Runs what the imported files registered; the last line is "N passed, N failed". */
export async function runTests() {
  const counts = { passed: 0, failed: 0, left: 0 };
  for (const { title, body, hooks } of tests) {
    if (left?.test(title)) {
      counts.left++;
      continue;
    }
    try {
      for (const hook of hooks) await hook();
      await body();
      counts.passed++;
    } catch (error) {
      counts.failed++;
      console.log(`failed: ${title}\n  ${error.stack}`);
    }
  }
  console.log(`${counts.left} left out\n${counts.passed} passed, ${counts.failed} failed`);
  process.exit(counts.failed === 0 && counts.passed > 0 ? 0 : 1);
}
