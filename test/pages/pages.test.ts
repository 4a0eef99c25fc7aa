import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, describe, expect, test } from "vitest";
import { serveLive } from "../../src/cli/live_page.js";
import { pagePolicy } from "../../src/cli/run_report.js";
import { reportPage } from "../../src/views/report_page.js";
import { darkTheme, lightTheme } from "../../src/views/theme.js";
import { epochs, report } from "../views/report.js";
import { openBrowser } from "./browser.js";

const browser = await openBrowser();
const work = mkdtempSync(join(tmpdir(), "flybrick-pages-"));
afterAll(async () => {
  await browser?.close();
  rmSync(work, { recursive: true, force: true });
});

/** A page whose console errors, failed requests and exceptions are kept. */
async function open(width: number, colorScheme: "dark" | "light"): Promise<{ page: Page; errors: string[] }> {
  const page = await browser!.newPage({ viewport: { width, height: 800 }, colorScheme });
  const errors: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("requestfailed", (request) => errors.push(request.url()));
  return { page, errors };
}

const background = "getComputedStyle(document.body).backgroundColor";

/** "#rrggbb" as a computed style has it. */
function rgb(colour: string): string {
  return `rgb(${[1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16)).join(", ")})`;
}

describe.skipIf(!browser)("in Chromium", { timeout: 240_000 }, () => {
  const file = join(work, "report.html");
  writeFileSync(file, reportPage(report({ epochs: epochs(4, true) }), { policy: pagePolicy() }));
  const url = pathToFileURL(file).href;

  for (const [width, scheme, theme] of [
    [400, "light", lightTheme],
    [400, "dark", darkTheme],
    [1100, "light", lightTheme],
  ] as const) {
    test(`the report at ${width} pixels, ${scheme}: no errors, no sideways scrolling`, async () => {
      const { page, errors } = await open(width, scheme);
      await page.goto(url);
      await page.click("summary");
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
      expect(await page.evaluate(background)).toBe(rgb(theme.paper));
      const drawings = page.locator("figure > svg");
      expect(await drawings.count()).toBe(8);
      for (const box of await Promise.all((await drawings.all()).map((one) => one.boundingBox()))) {
        expect(box!.width).toBeGreaterThan(300);
        expect(box!.x + box!.width).toBeLessThanOrEqual(width);
      }
      // Its style sheet got past its own policy, and so did its colours.
      const ink = "getComputedStyle(document.querySelector('figure > svg')).fill";
      expect(await page.evaluate(ink)).toBe(rgb(theme.ink));
      expect(await page.getByRole("img", { name: "Confusion matrix" }).count()).toBe(1);
      expect(errors).toEqual([]);
      await page.close();
    });
  }

  test("a live page shows what is new, keeps a table open, and notices the end", async () => {
    let now = report({ inspection: null, epochs: epochs(1) });
    const live = await serveLive(() => now);
    const { page, errors } = await open(400, "dark");
    try {
      await page.goto(live.url);
      await page.getByText("live", { exact: true }).waitFor();
      expect(await page.title()).toBe("1/10 LeNet on Fashion-MNIST");
      await page.click("summary");
      now = report({ epochs: epochs(3) });
      live.update();
      await page.getByText("3 of 10").waitFor();
      expect(await page.title()).toBe("3/10 LeNet on Fashion-MNIST");
      await page.getByRole("img", { name: "Worst mistakes" }).waitFor();
      expect(await page.locator("tbody tr").count()).toBe(3);
      expect(await page.locator("details[open]").count()).toBe(1);
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(400);
      expect(errors).toEqual([]);
    } finally {
      await live.close();
    }
    await page.getByText("connection lost").waitFor();
    await page.close();
  });
});
