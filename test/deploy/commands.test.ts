import { execFile } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fromBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "onnx-buf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeSafetensors } from "../../src/train/safetensors.js";

const bin = fileURLToPath(new URL("../../bin/flybrick.js", import.meta.url));
const weights = fileURLToPath(new URL("../../weights/lenet/model.safetensors", import.meta.url));
const picture = (name: string): string =>
  fileURLToPath(new URL(`../../samples/images/${name}.png`, import.meta.url));
const work = mkdtempSync(join(tmpdir(), "flybrick-deploy-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Runs the built command line in an empty folder. */
function flybrick(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [bin, ...args], { cwd: work }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
    });
  });
}

describe("predict", () => {
  test("prints the five likeliest classes with bars, the test set's label too, no colours into a pipe", async () => {
    const args = ["predict", "lenet", picture("pullover"), "--sample", "--test-image", "2"];
    const { code, stdout } = await flybrick(...args);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(12);
    expect(lines[0]).toBe(picture("pullover"));
    expect(lines[1]).toMatch(/^ {2}pullover +0\.9\d\d {2}█{27,30}[▏▎▍▌▋▊▉]?$/);
    expect(lines[6]).toBe("test image 2 (trouser)");
    expect(lines[7]).toMatch(/^ {2}trouser +(0\.9\d\d|1\.000) {2}█/);
    expect(stdout).not.toContain("\u001b");
  });

  test("prints one JSON object an image", async () => {
    const { code, stdout } = await flybrick("predict", "lenet", picture("trouser"), "--json");
    expect(code).toBe(0);
    const { guesses, ...rest } = JSON.parse(stdout) as { guesses: unknown[] };
    expect(rest).toEqual({ image: picture("trouser"), run: "lenet", model: "lenet" });
    expect(guesses).toHaveLength(5);
    expect(guesses[0]).toMatchObject({ label: "trouser", index: 1, probability: expect.any(Number) });
  });

  test.each([
    ["no image", ["predict", "lenet"], "flybrick: there is nothing to predict: name an image file\n"],
    [
      "a missing file",
      ["predict", "lenet", "no.png"],
      "flybrick: no.png cannot be read, because there is no such file or directory: name an image file\n",
    ],
    [
      "no run",
      ["predict", "nolenet", "no.png"],
      "flybrick: there is no run nolenet: name a directory that `npx flybrick train` wrote, or weights that ship (lenet)\n",
    ],
    [
      "no such test image",
      ["predict", "lenet", "--sample", "--test-image", "1000"],
      "flybrick: there is no test image 1000: give a number below 1000\n",
    ],
  ])("refuses %s in one sentence", async (_, args, message) => {
    expect(await flybrick(...args)).toEqual({ code: 1, stdout: "", stderr: message });
  });
});

describe("export", () => {
  test("writes ONNX that takes raw pixels and names the classes", async () => {
    const { code, stdout } = await flybrick("export", "lenet", "--out", "lenet.onnx");
    expect(code).toBe(0);
    expect(stdout).toBe(
      "lenet.onnx (ONNX, opset 17) takes input [batch, 1, 28, 28], pixels in [0, 1], which it normalizes itself, " +
        "and gives output [batch, 10], one logit a class.\n",
    );
    const { graph, metadataProps } = fromBinary(ModelProtoSchema, readFileSync(join(work, "lenet.onnx")));
    expect(graph!.node.slice(0, 3).map(({ opType }) => opType)).toEqual(["Sub", "Div", "Conv"]);
    expect(JSON.parse(metadataProps[0]!.value)).toContain("ankle boot");
  });

  test("writes the weights as safetensors, as --format or the file's ending says", async () => {
    const { code } = await flybrick("export", "lenet", "--format", "safetensors", "--out", "lenet.bin");
    expect(code).toBe(0);
    expect(decodeSafetensors(readFileSync(join(work, "lenet.bin")), "lenet.bin")).toEqual(
      decodeSafetensors(readFileSync(weights), weights),
    );
    const { stderr } = await flybrick("export", "lenet", "--out", "lenet.pt");
    expect(stderr).toBe(
      "flybrick: lenet.pt ends neither in .onnx nor in .safetensors: say which by --format\n",
    );
    expect(existsSync(join(work, "lenet.pt"))).toBe(false);
  });
});

describe("a run of a user's own model file", { timeout: 60_000 }, () => {
  const model = join(work, "my-model.mts");
  const run = join(work, "own");
  beforeAll(async () => {
    copyFileSync(fileURLToPath(new URL("../support/drawing_net.ts", import.meta.url)), model);
    // Modules are looked for from where a file lies.
    const source = readFileSync(model, "utf8").replaceAll(
      "../../src",
      new URL("../../dist", import.meta.url).href,
    );
    writeFileSync(model, source);
    const trained = await flybrick("train", "./my-model.mts", "--sample", "--epochs", "1", "--out", run);
    expect(trained.stderr).toBe("");
  });

  test("predicts, and is exported with its weights", async () => {
    const { code, stdout } = await flybrick("predict", run, picture("trouser"), "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ model, guesses: [{ label: "trouser" }, {}, {}, {}, {}] });
    await flybrick("export", run, "--out", "own.safetensors");
    expect([...decodeSafetensors(readFileSync(join(work, "own.safetensors")), "own").tensors.keys()]).toEqual(
      ["1.weight", "1.bias", "5.weight", "5.bias"],
    );
  });

  test("says so where its file is taken for CommonJS", async () => {
    copyFileSync(model, join(work, "model.ts"));
    const { code, stderr } = await flybrick("summary", "./model.ts");
    expect(code).toBe(1);
    expect(stderr).toContain("./model.ts is taken for CommonJS: give it the ending .mts");
  });

  test("says so where its file is gone or has changed; it still can be listed", async () => {
    const image = picture("trouser");
    renameSync(model, `${model}.bak`);
    const gone = `flybrick: ${model}, the network of ${run}, is not there any more: restore it, or train anew.\n`;
    expect(await flybrick("predict", run, image)).toEqual({ code: 1, stdout: "", stderr: gone });
    expect((await flybrick("runs", run)).stdout).toContain("my-model");
    writeFileSync(model, `${readFileSync(`${model}.bak`, "utf8")}\n`);
    const changed = `flybrick: ${model} has changed since ${run} was begun: restore it, or train anew.\n`;
    for (const args of [
      ["predict", run, image],
      ["export", run, "--out", "own.onnx"],
      ["evaluate", run],
      ["report", run],
    ])
      expect(await flybrick(...args)).toEqual({ code: 1, stdout: "", stderr: changed });
    renameSync(`${model}.bak`, model);
    expect((await flybrick("evaluate", run, "--json")).code).toBe(0);
  });
});

test("evaluate takes the weights that ship", async () => {
  const { code, stdout } = await flybrick("evaluate", "lenet", "--sample", "--json");
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ run: "lenet", model: "lenet", examples: 1000 });
});
