import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPlaygroundBrowser, servePlayground } from "./playground_page.js";
import type { Server } from "./serve.js";

const browser = await openPlaygroundBrowser();

/** Of the first load, without the editor and the data; bytes gzipped. Layout shift is Lighthouse's, 0.1 being its "good". */
const budget = { bytes: 350_000, requests: 12, blockingScripts: 0, layoutShift: 0.1 };

interface Seen {
  readonly blockingScripts: number;
  readonly layoutShift: number;
  readonly interactive: number;
}

/** Layout shifts and long tasks from the beginning, before any script of the page's. */
const observe = `globalThis.seen = { shift: 0, busyUntil: 0 };
new PerformanceObserver((list) => {
  for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) seen.shift += value;
}).observe({ type: "layout-shift", buffered: true });
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) seen.busyUntil = Math.max(seen.busyUntil, startTime + duration);
}).observe({ type: "longtask", buffered: true });`;

const read = `({
  blockingScripts: performance.getEntriesByType("resource").filter(
    ({ initiatorType, renderBlockingStatus }) => initiatorType === "script" && renderBlockingStatus === "blocking",
  ).length,
  layoutShift: seen.shift,
  interactive: Math.max(seen.busyUntil, performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd),
})`;

describe.skipIf(!browser)("the playground's first load", { timeout: 240_000 }, () => {
  let server: Server;
  let url: string;

  beforeAll(async () => {
    ({ server, url } = await servePlayground("budget"));
  }, 240_000);

  afterAll(async () => {
    await browser!.close();
    server?.close();
  });

  test.each([
    ["a desktop", 1280, 900],
    ["a phone", 400, 860],
  ])("keeps its budget on %s", async (name, width, height) => {
    const page = await browser!.newPage({ viewport: { width, height } });
    await page.addInitScript(observe);
    const bodies = new Map<string, Promise<Buffer>>();
    page.on("response", (response) => {
      if (response.url().startsWith("http")) bodies.set(response.url(), response.body());
    });
    await page.goto(url);
    await page.locator("#editor .cm-content").waitFor();
    await page.waitForLoadState("networkidle");
    const loaded = await Promise.all(
      [...bodies].map(async ([address, body]) => ({ address, bytes: gzipSync(await body).length })),
    );
    // The editor comes later; data and the trainer when they are asked for.
    const first = loaded.filter(({ address }) => !/\/editor-[^/]*$/.test(address));
    const bytes = first.reduce((sum, one) => sum + one.bytes, 0);
    const seen = (await page.evaluate(read)) as Seen;
    console.log(
      `first load on ${name}: ${(bytes / 1000).toFixed(1)} KB gzipped in ${first.length} requests, layout shift ${seen.layoutShift.toFixed(3)}, interactive after ${(seen.interactive / 1000).toFixed(2)} s`,
    );
    expect(first.map(({ address }) => address).join("\n")).not.toMatch(/fashion-mnist|training-|\.wasm/);
    expect(loaded.length).toBeGreaterThan(first.length);
    expect(bytes).toBeLessThan(budget.bytes);
    expect(first.length).toBeLessThanOrEqual(budget.requests);
    expect(seen.blockingScripts).toBe(budget.blockingScripts);
    expect(seen.layoutShift).toBeLessThan(budget.layoutShift);
    await page.close();
  });
});
