import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type KernelOptions, openTuned, requestAdapter } from "../../src/devices/webgpu/adapter.js";
import { nodeGpu } from "../../src/devices/webgpu/node.js";
import { type Measurer, measurerOf, product, tunedVariants } from "../../src/devices/webgpu/tuning.js";
import { tuningFile } from "../../src/devices/webgpu/tuning_file.js";
import {
  type ChosenVariants,
  candidates,
  pinnedVariants,
  problemClasses,
  usualVariants,
  variantsVersion,
} from "../../src/devices/webgpu/variants.js";
import { adapter } from "../support/webgpu.js";

const work = mkdtempSync(join(tmpdir(), "flybrick-tuning-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const info = (description: string): GPUAdapterInfo =>
  ({ vendor: "v", architecture: "a", device: "", description, isFallbackAdapter: false }) as GPUAdapterInfo;
const gpu = info("a real GPU");
const software = info("SwiftShader");

const fastest: ChosenVariants = {
  large: "shared-64",
  medium: "shared-32",
  thin: "registers-small",
  reduction: "subgroups",
  convolution: "winograd",
};

/** Where `fastest` takes a second and all else two, and what was asked of it. */
function measurer(): { measure: Measurer; asked: string[] } {
  const asked: string[] = [];
  const measure: Measurer = async (problem, variants) => {
    asked.push(`${problem} ${variants[problem]}`);
    return variants[problem] === fastest[problem] ? 1 : 2;
  };
  return { measure, asked };
}

let files = 0;
function tuner(store = tuningFile(join(work, `${files++}`, "deep", "variants.json"))) {
  const said: string[] = [];
  const { measure, asked } = measurer();
  const tune = (of: GPUAdapterInfo, { isAsked = false, subgroups = true } = {}) =>
    tunedVariants(of, subgroups, { store, measure, say: (text) => said.push(text), isAsked });
  return { store, said, asked, tune };
}

test("measures every variant once, and keeps the fastest in a file", async () => {
  const { store, said, asked, tune } = tuner();
  expect(await tune(gpu)).toEqual(fastest);
  const all = problemClasses.flatMap((problem) =>
    candidates(problem, true).map((name) => `${problem} ${name}`),
  );
  expect(asked).toEqual(all);
  expect(await tune(gpu)).toEqual(fastest);
  expect(asked.length).toBe(all.length);
  expect(said).toEqual([]);
  expect(readdirSync(join(store.place, ".."))).toEqual(["variants.json"]);
});

test("another adapter, driver or lack of subgroups is measured by itself; a measurement asked for, anew", async () => {
  const { asked, tune } = tuner();
  await tune(gpu);
  const first = asked.length;
  await tune(info("a real GPU, driver 2"));
  expect(asked.length).toBe(2 * first);
  expect((await tune(gpu, { subgroups: false })).reduction).toBe("workgroup");
  expect(asked.length).toBe(3 * first - 1);
  await tune(gpu);
  expect(asked.length).toBe(3 * first - 1);
  await tune(gpu, { isAsked: true });
  expect(asked.length).toBe(4 * first - 1);
});

test("a software adapter is measured only where that is asked for", async () => {
  const { asked, tune } = tuner();
  expect(await tune(software)).toEqual(usualVariants(true));
  expect(asked).toEqual([]);
  expect(await tune(software, { isAsked: true })).toEqual(fastest);
  expect(await tune(software)).toEqual(fastest);
});

test.each([
  ["no JSON", "{", "cannot be read"],
  ["another version", '{ "version": 0, "adapters": {} }', "is of another version of Flybrick"],
  ["no adapters", '{ "version": 2 }', "cannot be read"],
])("what is kept and cannot be used is measured anew, with a sentence: %s", async (_, text, why) => {
  const { store, said, tune } = tuner(tuningFile(join(work, `${files++}.json`)));
  writeFileSync(store.place, text);
  expect(await tune(gpu)).toEqual(fastest);
  expect(said).toEqual([`${store.place} ${why}: measured anew.`]);
  expect(JSON.parse(readFileSync(store.place, "utf8")).version).toBe(variantsVersion);
});

test("variants that this version does not know are measured anew", async () => {
  const { store, asked, tune } = tuner();
  await tune(gpu);
  writeFileSync(store.place, readFileSync(store.place, "utf8").replace("shared-64", "shared-of-old"));
  const before = asked.length;
  expect(await tune(gpu)).toEqual(fastest);
  expect(asked.length).toBe(2 * before);
});

test("a folder that cannot be written costs a sentence", async () => {
  const file = join(work, "a-file");
  writeFileSync(file, "");
  const { said, tune } = tuner(tuningFile(join(file, "variants.json")));
  expect(await tune(gpu)).toEqual(fastest);
  expect(said.at(-1)).toMatch(/^The fastest kernels are measured again at the next start: /);
});

test("pins: one by name, or what a run recorded, as far as the adapter can do it", () => {
  const usual = usualVariants(false);
  expect(pinnedVariants("registers", usual, false)).toEqual({
    large: "registers",
    medium: "registers",
    thin: "registers",
    reduction: "workgroup",
    convolution: "direct",
  });
  expect(pinnedVariants("subgroups", usual, true)).toEqual({ ...usual, reduction: "subgroups" });
  expect(() => pinnedVariants("subgroups", usual, false)).toThrow("needs a GPU with subgroups");
  expect(() => pinnedVariants("fast" as "registers", usual, true)).toThrow(
    'variant is "fast"; choose one of',
  );
  expect(pinnedVariants(fastest, usual, true)).toEqual(fastest);
  const lacking = { ...fastest, reduction: usual.reduction };
  expect(pinnedVariants(fastest, usual, false)).toEqual(lacking);
});

describe.skipIf(!adapter)("on an adapter", { timeout: 60_000 }, () => {
  test("a device tells its variants: as usual on software, pinned, or kept", async () => {
    const dawn = await nodeGpu();
    const { store } = tuner();
    const open = async (options?: KernelOptions) =>
      (await openTuned(dawn, await requestAdapter(dawn), store, options)).variants;
    expect(await open()).toEqual(usualVariants(true));
    expect(await open({ variant: "shared-32", convolution: "winograd-precise" })).toMatchObject({
      thin: "shared-32",
      convolution: "winograd-precise",
    });
    await expect(open({ convolution: "fft" as "auto" })).rejects.toThrow(/"fft".*auto, direct, winograd/);
    await expect(open({ variant: "winograd" as "auto" })).rejects.toThrow(
      'variant is "winograd"; choose one of',
    );
    await tunedVariants(adapter!.info, true, { store, measure: measurer().measure, say() {}, isAsked: true });
    expect(await open()).toEqual(fastest);
    expect(await open({ convolution: "direct" })).toEqual({ ...fastest, convolution: "direct" });
    // As a run records them.
    expect(await open({ variant: { ...fastest } })).toEqual(fastest);
    await store.clear();
    expect(await open()).toEqual(usualVariants(true));
  });

  test("times a variant by the clock that it is given", async () => {
    const dawn = await nodeGpu();
    let ticks = 0;
    const device = await (await requestAdapter(dawn)).requestDevice();
    // Each reading is 8 ms after the last one, and 4 runs lie between two.
    const measure = measurerOf(
      device,
      () => 8 * ticks++,
      () => product(5, 7, 3),
    );
    expect(await measure("thin", usualVariants(true))).toBe(0.002);
    expect(ticks).toBe(10);
  });
});
