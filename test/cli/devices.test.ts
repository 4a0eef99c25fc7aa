import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { pinnedVariants, usualVariants } from "../../src/devices/webgpu/variants.js";
import { adapter } from "../support/webgpu.js";

const bin = fileURLToPath(new URL("../../bin/flybrick.js", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "flybrick-devices-"));
afterAll(() => rmSync(work, { recursive: true }));

async function flybrick(...args: string[]): Promise<string> {
  const env = { ...process.env, NO_COLOR: "1", XDG_CACHE_HOME: work };
  return (await promisify(execFile)(process.execPath, [bin, ...args], { cwd: work, env })).stdout;
}

test("what was measured of a GPU can be forgotten, also where there is nothing", async () => {
  const kept = join(work, "flybrick", "webgpu-variants.json");
  mkdirSync(join(work, "flybrick"));
  writeFileSync(kept, "{}");
  for (let times = 0; times < 2; times++) {
    expect(await flybrick("devices", "--clear-tuning")).toContain(`Forgotten: ${kept}.`);
    expect(existsSync(kept)).toBe(false);
  }
});

test.skipIf(!adapter)("a run on a GPU keeps which kernels it took", async () => {
  const run = join(work, "gpu-run");
  const settings = ["--epochs", "1", "--batch-size", "3000", "--learning-rate", "0.1", "--device", "webgpu"];
  const pins = ["--convolution", "winograd-precise", "--variant", "registers-small"];
  await flybrick("train", "softmax", "--sample", "--out", run, ...settings, ...pins, "--json");
  expect(JSON.parse(readFileSync(join(run, "config.json"), "utf8"))).toMatchObject({
    convolution: "winograd-precise",
    variants: {
      ...pinnedVariants("registers-small", usualVariants(true), true),
      convolution: "winograd-precise",
    },
  });
});

test("a run keeps the size of its micro-batches; wrong sizes and kernels are told of", async () => {
  const run = join(work, "run");
  const settings = ["--epochs", "1", "--learning-rate", "0.1", "--batch-size", "128", "--micro-batch", "48"];
  await flybrick("train", "softmax", "--sample", "--out", run, ...settings, "--json");
  expect(JSON.parse(readFileSync(join(run, "config.json"), "utf8"))).toMatchObject({ microBatchSize: 48 });
  await expect(
    flybrick("train", "softmax", "--sample", "--micro-batch", "0", "--out", join(work, "none")),
  ).rejects.toThrow(/micro-batch/);
  await expect(flybrick("train", "softmax", "--variant", "fastest")).rejects.toThrow(/Allowed choices are/);
});
