import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fashionMnist } from "../../src/data/index.js";
import { openDevice } from "../../src/devices/open.js";
import { usualVariants } from "../../src/devices/webgpu/variants.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { bundleForBrowser } from "../support/bundle.js";
import { relativeError } from "../support/compare.js";
import { lenetLosses } from "../support/lenet_losses.js";
import { randomBits } from "../support/random_bits.js";
import { openBrowser } from "./browser.js";
import type { Lent } from "./library_page.js";
import { type Server, servePage } from "./serve.js";

declare const flybrick: Lent;

/** Devices that a page can open, each with how far LeNet's losses may be from those of a device in Node. */
const pageDevices = [
  // By SwiftShader, a GPU in software.
  { name: "webgpu", steps: 50, nodeDevice: "cpu", lossTolerance: 1e-3 },
  { name: "wasm", steps: 50, nodeDevice: "cpu", lossTolerance: 1e-3 },
  // The functions of JavaScript's Math may differ in the last bit.
  { name: "reference", steps: 3, nodeDevice: "reference", lossTolerance: 1e-6 },
] as const;

/** How many random graphs those run that are held to the reference device, and steps of the trajectories that take long. */
const heldDevices = [
  // It compiles a shader a step, seconds a graph.
  { name: "webgpu", graphs: 2, longSteps: 1 },
  { name: "wasm", graphs: 60, longSteps: 10 },
] as const;

/** PyTorch's trajectories: a fixture, its network, and whether each of its steps takes as long as many of LeNet's. */
const trajectories = [
  ["LeNet", "lenet", "lenet", false],
  ["LeNet by a recipe", "lenet_recipe", "lenet", false],
  ["AlexNet with an eighth of the channels", "alexnet_small", "smallAlexnet", true],
] as const;

const files = ["train-images", "train-labels", "t10k-images", "t10k-labels"].map(
  (name) => `${name}-idx${name.endsWith("images") ? 3 : 1}-ubyte.gz`,
);
const sample = "samples/fashion-mnist";
const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

const browser = await openBrowser();

describe.skipIf(!browser)("the library in Chromium", { timeout: 240_000 }, () => {
  let server: Server;
  let page: Page;
  const errors: string[] = [];

  beforeAll(async () => {
    const [script, worker] = await Promise.all(
      ["library_page.ts", "../../src/devices/wasm/page_worker.ts"].map((name) =>
        bundleForBrowser(path(name)),
      ),
    );
    const scripts = { "/page.js": script!.text, "/page_worker.js": worker!.text };
    server = await servePage(scripts, ["samples", "test/conformance", "test/fixtures", "wasm"]);
    page = await browser!.newPage();
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(error.message));
    await page.goto(server.url);
    await page.waitForFunction("globalThis.flybrick");
  });

  afterAll(async () => {
    await browser!.close();
    server?.close();
  });

  test("offers the devices that are tested here", async () => {
    const reports = await page.evaluate(() => flybrick.devices());
    expect(reports.filter(({ available }) => available).map(({ name }) => name)).toEqual(
      pageDevices.map(({ name }) => name),
    );
  });

  describe.each(pageDevices)("on $name", ({ name, steps, nodeDevice, lossTolerance }) => {
    test("every operation agrees with PyTorch", async () => {
      await page.evaluate((device) => flybrick.use(device), name);
      const { count, failed } = await page.evaluate(() =>
        flybrick.conformance("test/conformance/cases.json"),
      );
      expect(failed).toEqual([]);
      const cases: unknown[] = JSON.parse(readFileSync(path("../conformance/cases.json"), "utf8"));
      expect(count).toBe(cases.length);
    });

    test("dropout masks, uniform numbers and shuffles are those of Node, bit for bit", async () => {
      await page.evaluate((device) => flybrick.use(device), name);
      const found = await page.evaluate(() => flybrick.randomBits());
      useDevice(await openDevice("cpu"));
      expect(found).toEqual(await randomBits());
    });

    test("LeNet trains on the shipped sample to the losses it has in Node", async () => {
      await page.evaluate((device) => flybrick.use(device), name);
      const found = await page.evaluate(([url, n]) => flybrick.lenet(url, n), [sample, steps] as const);
      expect(found.source).toBe(
        `Fashion-MNIST, 6,000 training and 1,000 test images, from ${server.url}/${sample}/.`,
      );
      for (const file of files)
        expect(found.received[file]).toBe(statSync(path(`../../${sample}/${file}`)).size);
      expect(found.losses).toHaveLength(steps);
      useDevice(await openDevice(nodeDevice));
      const expected = await lenetLosses(await fashionMnist({ sample: true }), steps);
      const error = relativeError(found.losses, expected);
      console.log(`LeNet's losses in Chromium on ${name} differ from ${nodeDevice}'s in Node by ${error}`);
      expect(error).toBeLessThanOrEqual(lossTolerance);
    });
  });

  describe.each(heldDevices)("training and plans on $name", ({ name, graphs, longSteps }) => {
    test.each(trajectories)("training %s follows PyTorch", async (_, fixture, net, isLong) => {
      await page.evaluate((device) => flybrick.use(device), name);
      const args = [`test/fixtures/${fixture}.json`, net, isLong ? longSteps : 10] as const;
      expect(await page.evaluate((given) => flybrick.departures(...given), args)).toEqual([]);
    });

    test("random graphs come out as without the compiler's passes on the reference device", async () => {
      await page.evaluate((device) => flybrick.use(device), name);
      const seeds = Array.from({ length: graphs }, (_, i) => i + 1);
      expect(await page.evaluate((given) => flybrick.graphDifferences(given), seeds)).toEqual([]);
    });
  });

  test("keeps which kernels were measured to be fastest in IndexedDB, until that is cleared", async () => {
    const { measured, kept, place, forgotten } = await page.evaluate(() => flybrick.tuning());
    expect(measured).toMatchObject({ thin: "registers-small", convolution: "winograd-precise" });
    expect(kept).toEqual(measured);
    expect(place).toBe("IndexedDB's flybrick");
    expect(forgotten).toEqual(usualVariants(true));
  });

  test("learns from features that are given", async () => {
    expect(await page.evaluate(() => flybrick.nearest())).toBe(1);
  });

  test("takes files that the user chose, and says which one is missing", async () => {
    expect(
      await page.evaluate(([url, names]) => flybrick.chosen(url, names), [sample, files] as const),
    ).toEqual([6000, 1000]);
    const few = page.evaluate(([url, names]) => flybrick.chosen(url, names), [
      sample,
      files.slice(1),
    ] as const);
    await expect(few).rejects.toThrow(
      "train-images-idx3-ubyte (with or without .gz) is not among the 3 files",
    );
  });

  test("says what is wrong with a folder", async () => {
    const missing = page.evaluate(() => flybrick.lenet("samples/nothing", 1));
    await expect(missing).rejects.toThrow("the server answers 404; check the folder");
    // Chromium reports the 404s themselves.
    expect(errors.filter((error) => !error.includes("404"))).toEqual([]);
  });
});
