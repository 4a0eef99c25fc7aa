import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { loadData, type RunReporter, runTraining } from "../../src/cli/training_run.js";
import { openDevice } from "../../src/devices/open.js";
import { loadModel } from "../../src/models/model_file.js";
import { manualSeed } from "../../src/ops/random.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { recipeOptions, recipes } from "../../src/train/recipes.js";
import type { RunConfig } from "../../src/train/run_config.js";
import { train } from "../../src/train/train.js";
import { encodeWeights } from "../../src/train/weights.js";
import type { LayerStatistics } from "../../src/views/layer_health.js";
import { writeFewImages } from "../support/few_images.js";

const work = mkdtempSync(join(tmpdir(), "flybrick-layers-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const silent: RunReporter = { resume() {}, progress() {}, epoch() {}, note() {}, stop() {} };

const config: RunConfig = {
  ...recipes.fast,
  recipe: "fast",
  normalize: false,
  augment: ["crop:2", "flip"],
  emaDecay: 0.9,
  batchSize: 20,
  model: fileURLToPath(new URL("../support/drawing_net.ts", import.meta.url)),
  data: "fashion-mnist",
  dataDir: join(work, "data"),
  sample: false,
  resize: 28,
  epochs: 4,
  seed: 3,
  checkpointEvery: { steps: 4 },
};

function metricsOf(run: string): { epoch: number; layers: LayerStatistics }[] {
  const lines = readFileSync(join(run, "metrics.jsonl"), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line));
}

test("layers are measured after each epoch, which changes no bit of training or of a resume", async () => {
  await writeFewImages(config.dataDir!, 90, 30);
  const device = await openDevice("auto");
  useDevice(device);
  const data = await loadData(config, () => {});
  const whole = join(work, "whole");
  await runTraining(config, data, device, whole, silent);

  const metrics = metricsOf(whole);
  expect(metrics.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4]);
  for (const { layers } of metrics) {
    expect(Object.keys(layers.gradientNorms)).toEqual(["1.weight", "1.bias", "5.weight", "5.bias"]);
    expect(Object.values(layers.gradientNorms).every((norm) => norm > 0)).toBe(true);
    expect(Object.keys(layers.deadShares)).toEqual(["2 ReLU"]);
  }
  expect(new Set(metrics.map(({ layers }) => layers.gradientNorms["5.weight"])).size).toBe(4);

  // The same training without a look at its layers.
  const model = await loadModel(config.model, config.seed);
  manualSeed(config.seed);
  const net = model.build([1, 28, 28]);
  const { epochs, seed } = config;
  await train(net, { ...recipeOptions(config), ...data, epochs, seed });
  expect(sha256(readFileSync(join(whole, "model.safetensors")))).toBe(sha256(await encodeWeights(net)));

  // Stopped in the third epoch, after the lines of two.
  const parted = join(work, "parted");
  const stopping: RunReporter = {
    ...silent,
    progress: ({ epoch }) => {
      if (epoch === 3) process.emit("SIGINT");
    },
  };
  expect((await runTraining(config, data, device, parted, stopping)).stopped).toBe(true);
  expect(metricsOf(parted)).toHaveLength(2);
  writeFileSync(join(parted, "metrics.jsonl"), '{"epoch":3,"layers":{}}\n', { flag: "a" });
  await runTraining(config, data, device, parted, silent, { resume: true });
  expect(metricsOf(parted).map(({ layers }) => layers)).toEqual(metrics.map(({ layers }) => layers));
  expect(sha256(readFileSync(join(parted, "model.safetensors")))).toBe(
    sha256(readFileSync(join(whole, "model.safetensors"))),
  );
}, 60_000);
