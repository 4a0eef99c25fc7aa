import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { openDevice } from "../../src/devices/open.js";

const bin = fileURLToPath(new URL("../../bin/flybrick.js", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "flybrick-experiments-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Runs the built command line in an empty folder. */
function flybrick(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [bin, ...args], { cwd: work }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

function events(stdout: string): Record<string, unknown>[] {
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

describe("flybrick ablate", () => {
  const args = ["ablate", "lenet", "--sample", "--images", "128", "--epochs", "1", "--seeds", "1"];

  test("trains variants, keeps trials, draws charts and prints a table", async () => {
    const { code, stdout } = await flybrick(...args, "--only", "LeNet,+ ReLU", "--out", "ablation");
    expect(code).toBe(0);
    expect(stdout).toMatch(/1\/\d+ {2}LeNet, learning rate 0.01, seed 0: 0\.\d{3}/);
    expect(stdout).toMatch(/\nvariant +test acc % +train acc %/);
    for (const file of ["summary.json", "accuracy.svg", "curves.svg", "gradients.svg"])
      expect(existsSync(join(work, "ablation", file)), file).toBe(true);
    const again = await flybrick(...args, "--only", "LeNet", "--out", "ablation", "--json");
    const trials = events(again.stdout).filter(({ event }) => event === "trial");
    expect(trials.length).toBeGreaterThanOrEqual(3);
    expect(trials.every(({ isKept }) => isKept)).toBe(true);
    // The other variant's trials are kept, so that it stays in the summary.
    const summary = JSON.parse(readFileSync(join(work, "ablation", "summary.json"), "utf8"));
    expect(summary.variants.map(({ variant }: { variant: string }) => variant)).toEqual(["LeNet", "+ ReLU"]);
    expect(summary.command).toMatch(
      /^npx flybrick ablate lenet --sample .* --only LeNet --out ablation --json$/,
    );
  });

  test("ends with exit code 130 where Ctrl-C stops it", async () => {
    const child = spawn(process.execPath, [bin, ...args, "--epochs", "500", "--out", "stopped"], {
      cwd: work,
    });
    let errors = "";
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    // It has begun to train soon after it tells its device.
    child.stdout.on("data", (chunk) => {
      if (String(chunk).includes("device: ")) setTimeout(() => child.kill("SIGINT"), 500);
    });
    expect(await new Promise((resolve) => child.on("close", resolve))).toBe(130);
    expect(errors).toBe(
      "flybrick: stopped: run the same command again to go on; finished results are kept\n",
    );
  });

  test("names the variants that there are", async () => {
    const { code, stdout, stderr } = await flybrick(...args, "--only", "ResNet");
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/there is no variant "ResNet"; choose of LeNet, \+ ReLU/);
  });
});

const hasCpu = await openDevice("cpu").then(
  () => true,
  () => false,
);

describe.runIf(hasCpu)("flybrick compare", () => {
  const args = [
    "compare",
    "--rows",
    "pca",
    "--learners",
    "softmax,nearest neighbours",
    "--out",
    "comparison",
  ];

  test("fits learners, keeps results, draws a chart and prints a table", async () => {
    const { code, stdout } = await flybrick(...args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/2\/2 {2}PCA, nearest neighbours: 0\.\d{4} .* to learn, .* to predict, [\d.]+ MB/);
    expect(stdout).toMatch(/\nPCA +50 +8\d\.\d\*? +8\d\.\d\n/);
    const summary = JSON.parse(readFileSync(join(work, "comparison", "summary.json"), "utf8"));
    expect(summary.setting).toMatchObject({ trainImages: 6000, testImages: 1000, seed: 0 });
    expect(readFileSync(join(work, "comparison", "accuracy.svg"), "utf8")).toContain("6,000 training images");
    const again = events((await flybrick(...args, "--json")).stdout);
    expect(again.map(({ event, isKept }) => [event, isKept])).toEqual([
      ["result", true],
      ["result", true],
    ]);
  });

  test("refuses what cannot be meant", async () => {
    const both = await flybrick("compare", "--sample", "--full");
    expect(both.code).toBe(1);
    expect(both.stderr).toMatch(/option '--full' cannot be used with option '--sample'/);
    const unknown = await flybrick("compare", "--rows", "SIFT");
    expect(unknown.code).toBe(1);
    expect(unknown.stdout).toBe("");
    expect(unknown.stderr).toMatch(/there is no row "SIFT"; choose of MLP, .*, pixels, /);
  });
});
