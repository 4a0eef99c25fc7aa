import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  listen,
  openPlaygroundBrowser,
  root,
  seriousFaults,
  servePlayground,
  stepOf,
} from "./playground_page.js";
import type { Server } from "./serve.js";

const browser = await openPlaygroundBrowser();

/**
 * Milliseconds from a key's press, by the input's own clock, to the frame that shows what it did: the page has a task
 * that measures it, as Event Timing does, and leaves the numbers in `latencies`.
 */
const measureInput = `
  globalThis.latencies = [];
  addEventListener("keydown", ({ timeStamp }) => {
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => latencies.push(performance.now() - timeStamp);
      port2.postMessage(null);
    });
  }, true);
`;

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))]!;

describe.skipIf(!browser)("the playground's panels in Chromium", { timeout: 240_000 }, () => {
  let server: Server;
  let page: Page;
  const errors: string[] = [];

  beforeAll(async () => {
    const served = await servePlayground("panels");
    ({ server } = served);
    const context = await browser!.newContext({ viewport: { width: 1280, height: 900 } });
    page = await context.newPage();
    listen(page, errors);
    await page.goto(`${served.url}#net=lenet&batchSize=32&learningRate=0.003&epochs=40&device=webgpu`);
  }, 240_000);

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  const drawing = (id: string) => page.locator(`#${id} > svg`);
  const isVisible = (id: string) => page.locator(`#${id}`).isVisible();
  const show = (id: string) => page.locator(`#${id}`).scrollIntoViewIfNeeded();
  const described = (id: string) => drawing(id).locator("desc").textContent();
  const position = async (id: string) =>
    Number(/([\d.]+) epochs/.exec((await page.textContent(`#${id}-note`))!)?.[1]);

  test("look into the network while it trains: kernels, gradients, activations of any layer, norms by layer", async () => {
    expect(await page.textContent("#inside-note")).toBe(
      "Press Train, and see here what the network's layers hold.",
    );
    expect(await isVisible("inside-figures")).toBe(false);
    await page.click("#train");
    await show("inside");
    await drawing("norms").waitFor({ timeout: 120_000 });
    expect(await drawing("kernels").locator("image").count()).toBe(6);
    expect(await drawing("kernel-gradients").locator("image").count()).toBe(6);
    expect(await page.locator("#garments input").count()).toBe(30);
    expect(await page.textContent("#dead")).toBe("This network has no ReLU.");
    const early = await described("norms");
    expect(early).toMatch(/^LeNet, sigmoid, adamw 0.003, 0.weight [\d.e-]+, 3.weight/);
    const seen = await position("inside");
    await expect.poll(() => position("inside"), { timeout: 60_000 }).toBeGreaterThan(seen);

    await page.selectOption("#inside-layer", "8 Sigmoid");
    await expect
      .poll(() => page.textContent("#maps-note"), { timeout: 60_000 })
      .toMatch(/^8 Sigmoid: 120 values/);
    const before = await page.evaluate('document.getElementById("maps").toDataURL()');
    await page.locator("#garments input").nth(1).check();
    await expect
      .poll(() => page.evaluate('document.getElementById("maps").toDataURL()'), { timeout: 60_000 })
      .not.toBe(before);
  });

  test("show sigmoid's gradients vanish and ReLU's cure, side by side", async () => {
    await page.click("#stop");
    await expect.poll(() => page.textContent("#status"), { timeout: 60_000 }).toMatch(/^Stopped/);
    await page.selectOption("#activation", "relu");
    await page.click("#train");
    await show("inside");
    await expect
      .poll(() => described("norms"), { timeout: 120_000 })
      .toMatch(/^LeNet, relu.*; LeNet, sigmoid/);
    const norm = async (name: string) =>
      Number(new RegExp(`${name}[^;]*? 0\\.weight ([\\d.e-]+)`).exec((await described("norms"))!)?.[1]);
    console.log(
      `gradient norm of the first layer: ReLU ${await norm("relu")}, sigmoid ${await norm("sigmoid")}`,
    );
    expect(await norm("relu")).toBeGreaterThan(await norm("sigmoid"));
    expect(await page.getAttribute("#dead > svg", "aria-label")).toBe("Dead ReLUs by layer");
  });

  test("fill with what is taken for what, and the worst mistakes", async () => {
    await expect.poll(() => stepOf(page), { timeout: 120_000 }).toBeGreaterThanOrEqual(30);
    await show("results");
    await drawing("confusion").waitFor({ timeout: 120_000 });
    expect(await page.textContent("#results-note")).toMatch(/^[\d.]+ % of 1,000 test images are right after/);
    expect(await drawing("mistakes").locator("image").count()).toBe(12);
    const counts = await drawing("confusion").locator("title").allTextContents();
    expect(counts.map((text) => Number(/: (\d+)$/.exec(text)![1])).reduce((a, b) => a + b)).toBe(1000);
  });

  test("say what a drawing is, drawn by mouse and by keyboard, and what a test image is", async () => {
    await show("picture");
    expect(await page.textContent("#guesses-hint")).toBe("Draw something.");
    const box = (await page.locator("#pad").boundingBox())!;
    const at = (x: number, y: number) => [box.x + x * box.width, box.y + y * box.height] as const;
    // Trousers: a waist and two legs.
    for (const [from, to] of [
      [at(0.35, 0.2), at(0.65, 0.2)],
      [at(0.38, 0.2), at(0.38, 0.85)],
      [at(0.62, 0.2), at(0.62, 0.85)],
    ] as const) {
      await page.mouse.move(...from);
      await page.mouse.down();
      await page.mouse.move(...to, { steps: 8 });
      await page.mouse.up();
    }
    const guesses = page.locator("#guesses li");
    await expect.poll(() => guesses.count(), { timeout: 60_000 }).toBe(5);
    const shares = (await guesses.locator(".number").allTextContents()).map(Number.parseFloat);
    expect(shares).toEqual([...shares].sort((a, b) => b - a));
    expect(shares.reduce((a, b) => a + b)).toBeLessThanOrEqual(100.3);
    await page.click("#clear-pad");
    expect(await guesses.count()).toBe(0);
    await page.focus("#pad");
    for (let k = 0; k < 9; k++) await page.keyboard.press("Shift+ArrowDown");
    await expect.poll(() => guesses.count(), { timeout: 60_000 }).toBe(5);
    await page.click("#take-garment");
    await expect.poll(() => guesses.count(), { timeout: 60_000 }).toBe(5);
  });

  test("take a picture, and tell of a file that is none; what was there stays", async () => {
    const pixels = () => page.evaluate('document.getElementById("pad").toDataURL()');
    const drawn = await pixels();
    await page.check("#invert");
    await page.setInputFiles("#picture-file", `${root}samples/images/ankle-boot.png`);
    await expect.poll(pixels, { timeout: 10_000 }).not.toBe(drawn);
    expect(await page.textContent("#picture-said")).toBe("");
    await expect.poll(() => page.locator("#guesses li").count(), { timeout: 60_000 }).toBe(5);
    const before = await pixels();
    await page.setInputFiles("#picture-file", {
      name: "notes.png",
      mimeType: "image/png",
      buffer: Buffer.from("no picture at all"),
    });
    await expect
      .poll(() => page.textContent("#picture-said"))
      .toMatch(/^notes.png is no picture that this browser can read: choose a PNG, JPEG or WebP file/);
    expect(await pixels()).toBe(before);
    expect(await page.locator("#guesses li").count()).toBe(5);
  });

  test("answer keys while it trains", async () => {
    await page.evaluate(measureInput);
    for (const id of ["inside", "results"]) {
      await show(id);
      await page.locator("#pen-width").focus();
      await show(id);
      for (let k = 0; k < 60; k++) {
        await page.keyboard.press(k % 2 ? "ArrowLeft" : "ArrowRight");
        await page.waitForTimeout(40);
      }
    }
    expect(await page.textContent("#status")).toMatch(/^Epoch/);
    const latencies = (await page.evaluate("latencies")) as number[];
    expect(latencies).toHaveLength(120);
    const told = [0.5, 0.95, 1].map((share) => `${percentile(latencies, share).toFixed(0)} ms`);
    console.log(
      `input latency while training, n = 120: ${told[0]} median, ${told[1]} at the 95th percentile, ${told[2]} at most`,
    );
  });

  test("show the history as kept, and three learners computed live", async () => {
    await page.click("#stop");
    await expect.poll(() => page.textContent("#status"), { timeout: 60_000 }).toMatch(/^Stopped/);
    await show("history");
    await drawing("history-chart").waitFor({ timeout: 30_000 });
    const { cells, networks, device, date } = JSON.parse(
      readFileSync(`${root}results/compare/summary.json`, "utf8"),
    );
    const note = await page.textContent("#history-note");
    expect(note).toMatch(/^Kept results of flybrick compare: test accuracy after training on 60,000 images/);
    expect(note).toContain(`(${device}, ${date})`);
    const shares = async () => (await described("history-chart"))!.match(/[\d.]+ %/g)!.length;
    expect(await shares()).toBe(cells.length + networks.length);
    await page.click("#history-run");
    await expect
      .poll(() => page.textContent("#history-said"), { timeout: 200_000, interval: 1000 })
      .toMatch(/^Done in \d+ s\.$/);
    await expect.poll(shares).toBe(cells.length + networks.length + 3);
    const text = (await described("history-chart"))!;
    const accuracy = (label: string) => Number(new RegExp(`${label}[^:]*: ([\\d.]+) %`).exec(text)![1]);
    const found = [
      "softmax on pixels, live",
      "random forest on pixels, live",
      "LeNet(?:, your run| with ReLU)",
    ].map(accuracy);
    console.log(`live on 6,000 images: softmax, forest, LeNet: ${found.join(", ")} %`);
    expect(found[0]).toBeGreaterThan(80);
    expect(found[1]).toBeGreaterThan(83);
  });

  test("are reached by all: no serious fault, in Chinese and in the dark, on a phone and at 4K; no error in the console", async () => {
    expect(await seriousFaults(page)).toEqual([]);
    await page.click("#language");
    await page.selectOption("#theme", "dark");
    await show("results");
    await expect.poll(() => described("confusion")).toContain("裤子");
    expect(await seriousFaults(page)).toEqual([]);
    for (const width of [400, 3840]) {
      await page.setViewportSize({ width, height: 1000 });
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
    }
    expect(errors).toEqual([]);
  });
});
