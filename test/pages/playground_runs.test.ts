import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openBrowser } from "./browser.js";
import {
  downloadOf,
  figure,
  listen,
  openPlaygroundBrowser,
  root,
  seriousFaults,
  servePlayground,
  stepOf,
} from "./playground_page.js";
import type { Server } from "./serve.js";

const browser = await openPlaygroundBrowser();

const small = `nn.sequential([1, 28, 28],
  nn.conv2d(1, 4, { kernelSize: 5, stride: 2 }),
  nn.relu(),
  nn.flatten(),
  nn.dropout({ p: 0.3 }),
  nn.linear(576, 10),
)`;
const sample = (name: string) => `${root}samples/fashion-mnist/${name}.gz`;
const sampleFiles = [
  ...["train-images-idx3-ubyte", "train-labels-idx1-ubyte"],
  ...["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"],
].map(sample);

interface Curves {
  readonly loss: readonly { x: number; y: number }[];
  readonly trainAccuracy: readonly unknown[];
  readonly testAccuracy: readonly unknown[];
}

/** What the browser keeps in a store: the answer to `request`, taken through the function `then`. */
function kept<T>(page: Page, store: string, request: "getAll" | "getAllKeys", then: string): Promise<T> {
  return page.evaluate(`new Promise((resolve, reject) => {
    const opening = indexedDB.open("flybrick-playground");
    opening.onerror = reject;
    opening.onsuccess = () => {
      const asked = opening.result.transaction("${store}").objectStore("${store}").${request}();
      asked.onsuccess = () => {
        opening.result.close();
        resolve((${then})(asked.result));
      };
    };
  })`);
}

/** The curves of the runs, the latest last. */
const keptCurves = (page: Page): Promise<Curves[]> =>
  kept(
    page,
    "runs",
    "getAll",
    "(runs) => runs.map(({ loss, trainAccuracy, testAccuracy }) => ({ loss, trainAccuracy, testAccuracy }))",
  );

/** The number of the latest run that has a checkpoint. */
const newestCheckpoint = (page: Page): Promise<number> =>
  kept(page, "checkpoints", "getAllKeys", "(runs) => Math.max(0, ...runs)");

describe.skipIf(!browser)("runs in the playground", { timeout: 240_000 }, () => {
  let server: Server;
  let url: string;
  let page: Page;
  const errors: string[] = [];

  beforeAll(async () => {
    ({ server, url } = await servePlayground("runs"));
    page = await browser!.newPage({ viewport: { width: 1280, height: 900 } });
    listen(page, errors);
    const settings = { optimizer: "adam", learningRate: "0.003", epochs: "2", augment: "crop and flip" };
    await page.goto(`${url}#${new URLSearchParams({ code: small, ...settings })}`);
  }, 240_000);

  afterAll(async () => {
    await browser!.close();
    server?.close();
  });

  const status = (of = page) => of.locator("#status").textContent();
  const finish = () => expect.poll(() => status(), { timeout: 120_000 }).toBe("Finished.");

  test("WebAssembly trains where there is no GPU, and the page says so", async () => {
    await page.click("#train");
    await finish();
    expect(await figure(page, "Device")).toMatch(/^WebAssembly, \d+ threads?\. No GPU for WebGPU was found/);
    expect(await figure(page, "Loader")).toMatch(/^\d+\.\d %$/);
    const [{ loss }] = (await keptCurves(page)) as [Curves];
    // 47 steps an epoch, a point each.
    expect(loss).toHaveLength(94);
    expect(loss[0]!.y).toBeGreaterThan(2);
    expect(loss.at(-1)!.y).toBeLessThan(1);
  });

  test("a run that a reload broke off goes on to the same curve, to the last bit", async () => {
    await page.click("#train");
    await expect.poll(() => status(), { timeout: 60_000 }).toMatch(/^Epoch 2/);
    await page.click("#pause");
    await expect.poll(() => stepOf(page)).toBeGreaterThan(0);
    await expect.poll(() => status()).toMatch(/^Paused in epoch 2/);
    const paused = await stepOf(page);
    await page.click("#step");
    await expect.poll(() => status()).toBe(`Paused in epoch 2, step ${paused + 1}`);
    const link = page.url();
    await page.reload();
    await expect
      .poll(() => status())
      .toBe(`This run was broken off. Press Go on to train from step ${47 + paused + 1}, to the same curve.`);
    expect(page.url()).toBe(link);
    expect(await page.locator("#loss-curve .line.earlier").count()).toBe(1);
    expect(await page.textContent("#pause")).toBe("Go on");
    expect(await seriousFaults(page)).toEqual([]);
    await page.click("#pause");
    await finish();
    const [whole, resumed] = await keptCurves(page);
    expect(resumed).toEqual(whole);
    expect(await page.locator("#runs tbody tr").count()).toBe(2);
  });

  test("weights go out and come back in, ONNX goes out, and what does not fit gets a sentence", async () => {
    await page.click("#files summary");
    const weights = await downloadOf(page, "#save-weights");
    expect(weights.name).toBe("network.safetensors");
    const header = new TextDecoder().decode(weights.bytes.subarray(8, 400));
    expect(header).toContain('"0.weight":{"dtype":"F32","shape":[4,1,5,5]');
    // The worker's network is gone then; the checkpoint has it.
    await page.reload();
    await page.click("#files summary");
    await expect.poll(() => page.isEnabled("#save-weights")).toBe(true);
    expect((await downloadOf(page, "#save-weights")).bytes).toEqual(weights.bytes);
    const onnx = await downloadOf(page, "#save-onnx");
    expect(onnx.name).toBe("network.onnx");
    expect(new TextDecoder("latin1").decode(onnx.bytes)).toContain("flybrick");
    expect(onnx.bytes.length).toBeGreaterThan(4 * 5870);
    const open = (name: string, bytes: Uint8Array) =>
      page.setInputFiles("#load-weights", {
        ...{ name, mimeType: "application/octet-stream", buffer: Buffer.from(bytes) },
      });
    const said = () => page.textContent("#files-said");
    await open("half.safetensors", weights.bytes.subarray(0, 9000));
    await expect.poll(said).toMatch(/^half\.safetensors is not a sound safetensors file/);
    const accuracy = (await figure(page, "Test accuracy"))!;
    await open("mine.safetensors", weights.bytes);
    await expect
      .poll(said)
      .toBe(`mine.safetensors fits: test accuracy ${accuracy}. Training begins with it.`);
    await page.click("#train");
    // The run before has finished, too.
    await expect.poll(() => status()).not.toBe("Finished.");
    await finish();
    const fromThere = (await keptCurves(page)).at(-1)!;
    expect(fromThere.loss[0]!.y).toBeLessThan(1);
    await page.selectOption("#preset", "mlp");
    await open("mine.safetensors", weights.bytes);
    await expect
      .poll(said)
      .toBe(
        "mine.safetensors does not fit this network: parameter 1.weight [256, 784] is missing from what was loaded",
      );
    expect(await seriousFaults(page)).toEqual([]);
    await page.click("#forget-weights");
  });

  test("images come from files or an address, and wrong ones get a sentence", async () => {
    await page.click("#data summary");
    const said = () => page.textContent("#data-said");
    await page.selectOption("#data-source", "files");
    await page.click("#train");
    await expect
      .poll(() => page.textContent("#problems"))
      .toMatch(/choose the set's four files under Data\.$/);
    await page.setInputFiles("#data-files", sampleFiles);
    await expect.poll(said).toBe("6,000 training and 1,000 test images.");
    expect(page.url()).toContain("data=files");
    const labels = [...readFileSync(sample("t10k-labels-idx1-ubyte"))];
    const dropped = await page.evaluateHandle(`{
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(${JSON.stringify(labels)})], "train-images-idx3-ubyte.gz"));
      transfer;
    }`);
    await page.dispatchEvent("#data", "drop", { dataTransfer: dropped });
    await expect.poll(said).toMatch(/is not among the 1 files: choose all of/);
    await page.selectOption("#data-source", "address");
    // Another origin, which the worker may ask and the page's own scripts may not.
    await page.fill("#data-address", `${url.replace("127.0.0.1", "localhost")}fashion-mnist/`);
    await page.click("#data-load");
    await expect.poll(said).toBe("6,000 training and 1,000 test images.");
    expect(await seriousFaults(page)).toEqual([]);
    expect(errors).toEqual([]);
    await page.fill("#data-address", "nowhere");
    await page.click("#data-load");
    await expect.poll(said).toMatch(/nowhere\/.* cannot be loaded: the server answers 404/);
    // Chromium's own line on it.
    errors.splice(0);
    await page.selectOption("#data-source", "sample");
  });

  test("a network without memory is a sentence, and the page works on", async () => {
    const huge = "nn.sequential([1, 28, 28], nn.flatten(), nn.linear(784, 2000000), nn.linear(2000000, 10))";
    await page.goto(`${url}#${new URLSearchParams({ code: huge, device: "wasm" })}`);
    await page.click("#train");
    await expect
      .poll(() => status(), { timeout: 60_000 })
      .toMatch(/^Training ended: no memory for a buffer of \d+ bytes: WebAssembly has 4 GiB/);
    expect(new URLSearchParams(new URL(page.url()).hash.slice(1)).get("code")).toBe(huge);
    await page.selectOption("#preset", "softmax");
    await page.fill("#epochs", "1");
    await page.click("#train");
    await finish();
  });

  test("a GPU that is lost in mid-training is a sentence, and a press goes on from the checkpoint", async () => {
    // The worker is there; the GPU that it asks for next can be taken from it.
    const patch = `if (globalThis.GPUAdapter) {
      const { requestDevice } = GPUAdapter.prototype;
      GPUAdapter.prototype.requestDevice = async function (...all) {
        return (globalThis.taken = await requestDevice.apply(this, all));
      };
    }`;
    const ours = page.workers().find((worker) => /\/worker-[^/]*$/.test(worker.url()))!;
    await ours.evaluate(patch);
    await page.selectOption("#preset", "lenet");
    await page.selectOption("#device", "webgpu");
    const before = await newestCheckpoint(page);
    await page.click("#train");
    await expect.poll(() => stepOf(page), { timeout: 60_000 }).toBeGreaterThan(2);
    await page.click("#pause");
    await expect.poll(() => status()).toMatch(/^Paused/);
    await expect.poll(() => figure(page, "GPU memory")).toMatch(/^\d\d MB$/);
    // The page is paused at once, the run after its step: only then is there a checkpoint.
    await expect.poll(() => newestCheckpoint(page), { timeout: 60_000 }).toBeGreaterThan(before);
    const paused = await stepOf(page);
    await page.click("#pause");
    await ours.evaluate("globalThis.taken.destroy()");
    await expect
      .poll(() => status(), { timeout: 30_000 })
      .toMatch(/^Training ended: the GPU was lost .* Press Go on to train from step \d+\.$/);
    expect(page.url()).toContain("net=lenet");
    await page.click("#pause");
    await expect.poll(() => stepOf(page), { timeout: 60_000 }).toBeGreaterThan(paused);
    expect(await figure(page, "Device")).toMatch(/^WebGPU on/);
    await page.click("#stop");
    await expect.poll(() => status()).toMatch(/^Stopped\. Go on trains from step \d+\.$/);
    // Chromium's own lines on a GPU that is gone.
    expect(errors.filter((text) => !/WebGPU|GPU|device/i.test(text))).toEqual([]);
  });

  test("without WebGPU a link that asks for it trains in WebAssembly, and says why", async () => {
    const other = (await openBrowser([]))!;
    try {
      const without = await other.newPage();
      await without.goto(`${url}#net=softmax&device=webgpu&epochs=1`);
      await without.click("#train");
      await expect.poll(() => status(without), { timeout: 60_000 }).toBe("Finished.");
      expect(await figure(without, "Device")).toMatch(
        /^WebAssembly.*What was asked for cannot be had, so wasm trains: .*WebGPU/,
      );
    } finally {
      await other.close();
    }
  });
});
