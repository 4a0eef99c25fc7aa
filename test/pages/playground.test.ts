import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openBrowser } from "./browser.js";
import { type Server, serveFolder } from "./serve.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const assets = `${root}playground/dist/assets`;
/** All but the data and, when it comes, the editor. */
const firstLoadBytes = 350_000;

/** Whether its packages are there; where a browser is required, so are they, and the build installs them. */
const isInstalled = existsSync(`${root}playground/node_modules/vite`);
const isTested = isInstalled || process.env.FLYBRICK_REQUIRE_BROWSER !== undefined;
if (!isTested)
  console.warn("the playground is not tested: its packages are missing (npm ci --prefix playground)");
const browser = isTested ? await openBrowser() : undefined;

/** What axe finds that is serious or worse: each rule with the elements. */
async function seriousFaults(page: Page): Promise<string[]> {
  interface Found {
    readonly violations: readonly { id: string; impact: string; nodes: readonly { html: string }[] }[];
  }
  const { violations } = (await page.evaluate("axe.run()")) as Found;
  return violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

describe.skipIf(!browser)("the playground in Chromium", { timeout: 240_000 }, () => {
  let server: Server;
  let page: Page;
  const errors: string[] = [];

  beforeAll(async () => {
    const built = spawnSync(process.execPath, ["scripts/playground.js", "build"], {
      cwd: root,
      encoding: "utf8",
    });
    if (built.status !== 0) throw new Error(`${built.stdout}\n${built.stderr}`);
    server = await serveFolder("playground/dist", "/some/path/");
    // The page's policy holds for the page's scripts, not for the tests' axe.
    const context = await browser!.newContext({ viewport: { width: 1280, height: 900 }, bypassCSP: false });
    page = await context.newPage();
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("requestfailed", (request) => errors.push(request.url()));
    const settings = "net=lenet&batchSize=32&learningRate=0.003&epochs=1&device=webgpu";
    await page.goto(`${server.url}/some/path/#${settings}`);
    await page.evaluate(readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
  }, 240_000);

  afterAll(async () => {
    await browser!.close();
    server?.close();
  });

  const status = () => page.locator("#status");
  const step = async () => Number(/step (\d+)/.exec((await status().textContent())!)?.[1]);
  const figure = (title: string) => page.locator(`#figures dt:text-is("${title}") + dd`).textContent();

  test("loads in little, and trains nothing by itself", async () => {
    const files = readdirSync(assets).map((name) => `${assets}/${name}`);
    const bytes = [`${root}playground/dist/index.html`, ...files]
      .map((file) => gzipSync(readFileSync(file)).length)
      .reduce((a, b) => a + b, 0);
    console.log(`the playground without data: ${(bytes / 1000).toFixed(1)} KB gzipped`);
    expect(bytes).toBeLessThan(firstLoadBytes);
    expect(statSync(`${root}playground/dist/fashion-mnist/train-images-idx3-ubyte.gz`).size).toBeGreaterThan(
      1e6,
    );
    expect(await status().textContent()).toBe("Ready. Nothing trains until you press Train.");
    expect(await page.locator("#table tbody tr").count()).toBe(12);
    expect(await page.locator("#table tfoot").textContent()).toContain("61,706");
  });

  test("shows a mistake in the code, where it is, in the library's words", async () => {
    const code = await page.inputValue("#code");
    await page.fill("#code", code.replace("400", "401"));
    await expect
      .poll(() => page.textContent("#mistake"))
      .toBe("Line 9, column 3: layer 7: Linear expects 401 input features but receives 400");
    expect(await page.isDisabled("#train")).toBe(true);
    expect(await seriousFaults(page)).toEqual([]);
    await page.fill("#code", code);
    await expect.poll(() => page.textContent("#mistake")).toBe("Every layer fits.");
    expect(page.url()).toContain("#net=lenet&");
  });

  test("LeNet with ReLU trains, pauses, takes a step and stops", async () => {
    await page.selectOption("#activation", "relu");
    expect(await page.inputValue("#code")).not.toContain("sigmoid");
    await page.click("#train");
    await expect.poll(step, { timeout: 120_000 }).toBeGreaterThanOrEqual(2);
    const first = Number(await figure("Loss"));
    await expect.poll(step, { timeout: 120_000 }).toBeGreaterThanOrEqual(30);
    await page.click("#pause");
    await expect.poll(() => status().textContent()).toMatch(/^Paused/);
    // The step under way may still report.
    await page.waitForTimeout(500);
    const paused = await step();
    await page.waitForTimeout(500);
    expect(await step()).toBe(paused);
    const last = Number(await figure("Loss"));
    console.log(`LeNet's loss in the playground: ${first} at first, ${last} after ${paused} steps`);
    expect(first).toBeGreaterThan(1.5);
    // Chance is 2.30.
    expect(last).toBeLessThan(1.8);
    await page.click("#step");
    await expect.poll(() => status().textContent()).toBe(`Paused in epoch 1, step ${paused + 1}`);
    expect(Number((await figure("Images/s"))!.replaceAll(",", ""))).toBeGreaterThan(0);
    expect(await page.locator("#loss-curve svg").getAttribute("aria-label")).toMatch(
      /^Loss \(nats\) by epoch: train \d/,
    );
    expect(await seriousFaults(page)).toEqual([]);
    await page.click("#stop");
    await expect.poll(() => status().textContent()).toBe("Stopped.");
  });

  test("speaks Chinese, and has no serious fault in either scheme", async () => {
    await page.click("#language");
    expect(await page.textContent("h1")).toBe("Flybrick 训练场");
    expect(await page.getAttribute("html", "lang")).toBe("zh-CN");
    await page.selectOption("#theme", "dark");
    expect(await seriousFaults(page)).toEqual([]);
    await page.click("#language");
    await page.selectOption("#theme", "auto");
  });

  test("fits a phone and a 4K screen, and logs no error", async () => {
    for (const width of [400, 3840]) {
      await page.setViewportSize({ width, height: 1000 });
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
    }
    expect(errors).toEqual([]);
  });
});
