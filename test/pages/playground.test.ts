import { statSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  editorOf,
  figure as figureOf,
  listen,
  openPlaygroundBrowser,
  seriousFaults,
  servePlayground,
  stepOf,
} from "./playground_page.js";
import type { Server } from "./serve.js";

const browser = await openPlaygroundBrowser();

describe.skipIf(!browser)("the playground in Chromium", { timeout: 240_000 }, () => {
  let server: Server;
  let folder: string;
  let page: Page;
  const errors: string[] = [];

  beforeAll(async () => {
    let url: string;
    ({ server, folder, url } = await servePlayground("page"));
    // The page's policy holds for the page's scripts, not for the tests' axe.
    const context = await browser!.newContext({ viewport: { width: 1280, height: 900 }, bypassCSP: false });
    page = await context.newPage();
    listen(page, errors);
    const settings = "net=lenet&batchSize=32&learningRate=0.003&epochs=1&device=webgpu";
    await page.goto(`${url}#${settings}`);
  }, 240_000);

  afterAll(async () => {
    await browser!.close();
    server?.close();
  });

  const status = () => page.locator("#status");
  const step = () => stepOf(page);
  const figure = (title: string) => figureOf(page, title);

  test("trains nothing by itself", async () => {
    expect(statSync(`${folder}/fashion-mnist/train-images-idx3-ubyte.gz`).size).toBeGreaterThan(1e6);
    expect(await status().textContent()).toBe("Ready. Nothing trains until you press Train.");
    expect(await page.locator("#table tbody tr").count()).toBe(12);
    expect(await page.locator("#table tfoot").textContent()).toContain("61,706");
  });

  test("marks a mistake in the code at its place, in the library's words, and lets Tab leave", async () => {
    const content = await editorOf(page);
    expect(await page.locator("#code").isHidden()).toBe(true);
    const code = await page.inputValue("#code");
    await content.fill(code.replace("400", "401"));
    await expect
      .poll(() => page.textContent("#mistake"))
      .toBe("Line 9, column 3: layer 7: Linear expects 401 input features but receives 400");
    expect(await page.locator("#editor .cm-lintRange-error").textContent()).toBe("nn.linear(401, 120)");
    expect(await content.getAttribute("aria-invalid")).toBe("true");
    expect(await page.isDisabled("#train")).toBe(true);
    expect(await seriousFaults(page)).toEqual([]);
    await content.fill(code);
    await expect.poll(() => page.textContent("#mistake")).toBe("Every layer fits.");
    expect(await page.locator("#editor .cm-lintRange-error").count()).toBe(0);
    expect(page.url()).toContain("#net=lenet&");
    // A few keys, as a visitor types: layers are offered by name.
    await content.press("ControlOrMeta+End");
    await content.pressSequentially("nn.maxP");
    await page.locator("#editor .cm-tooltip-autocomplete", { hasText: "maxPool2d" }).waitFor();
    await content.press("Escape");
    for (let k = 0; k < "nn.maxP".length; k++) await content.press("Backspace");
    await expect.poll(() => page.textContent("#mistake")).toBe("Every layer fits.");
    await content.press("Tab");
    expect(await page.evaluate("document.activeElement.id")).not.toBe("editor");
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
    await expect.poll(() => status().textContent()).toMatch(/^Stopped\./);
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
