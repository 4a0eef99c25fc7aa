import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const bin = fileURLToPath(new URL("../bin/flybrick.js", import.meta.url));
const sample = fileURLToPath(new URL("../samples/fashion-mnist", import.meta.url));
const files = [
  "train-images-idx3-ubyte",
  "train-labels-idx1-ubyte",
  "t10k-images-idx3-ubyte",
  "t10k-labels-idx1-ubyte",
] as const;
const work = mkdtempSync(join(tmpdir(), "flybrick-cli-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the built command line in an empty folder. */
function flybrick(...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [bin, ...args],
      { cwd: work, env: { ...process.env, NO_COLOR: "1" } },
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
      },
    );
  });
}

/** A mistake: exit code 1, a sentence, no stack trace. */
async function refuses(args: string[], message: RegExp | string): Promise<void> {
  const { code, stderr } = await flybrick(...args);
  expect(code).toBe(1);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/\n\s+at /);
}

/** A folder with the sample's files, one of them replaced. */
function dataWith(name: (typeof files)[number], change: (bytes: Buffer) => Buffer): string {
  const folder = mkdtempSync(join(work, "data-"));
  for (const file of files) {
    const bytes = gunzipSync(readFileSync(join(sample, `${file}.gz`)));
    writeFileSync(join(folder, `${file}.gz`), file === name ? change(bytes) : gzipSync(bytes, { level: 1 }));
  }
  return folder;
}

const trainOn = (folder: string): string[] => [
  "train",
  "softmax",
  "--data-dir",
  folder,
  "--epochs",
  "1",
  "--out",
  join(work, "never"),
];

test("the command line is built (npm run build)", () => {
  expect(existsSync(fileURLToPath(new URL("../dist/cli/main.js", import.meta.url)))).toBe(true);
});

test("summary prints the notebook's shapes and 46,764,746 parameters", async () => {
  const { code, stdout } = await flybrick("summary", "alexnet");
  expect(code).toBe(0);
  expect(stdout.match(/\[1, [\d, ]+\]/g)).toEqual([
    "[1, 96, 54, 54]",
    "[1, 96, 54, 54]",
    "[1, 96, 26, 26]",
    "[1, 256, 26, 26]",
    "[1, 256, 26, 26]",
    "[1, 256, 12, 12]",
    "[1, 384, 12, 12]",
    "[1, 384, 12, 12]",
    "[1, 384, 12, 12]",
    "[1, 384, 12, 12]",
    "[1, 256, 12, 12]",
    "[1, 256, 12, 12]",
    "[1, 256, 5, 5]",
    "[1, 6400]",
    "[1, 4096]",
    "[1, 4096]",
    "[1, 4096]",
    "[1, 4096]",
    "[1, 4096]",
    "[1, 4096]",
    "[1, 10]",
  ]);
  expect(stdout).toMatch(/46,764,746\s+938,146,176/);
});

describe("a run", () => {
  const out = join(work, "run");
  let outcome: Outcome;
  beforeAll(async () => {
    outcome = await flybrick(
      "train",
      "softmax",
      "--sample",
      "--epochs",
      "2",
      "--learning-rate",
      "0.1",
      "--seed",
      "3",
      "--out",
      out,
      "--json",
    );
  });

  test("prints one JSON object a line: five times progress an epoch, the epoch, done", () => {
    expect(outcome.code).toBe(0);
    const events = outcome.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { event: string });
    const names = events.map(({ event }) => event);
    const epoch = [...Array<string>(5).fill("progress"), "epoch"];
    expect(names).toEqual([...epoch, ...epoch, "done"]);
    expect(events[5]).toMatchObject({
      epoch: 1,
      loss: expect.any(Number),
      trainAccuracy: expect.any(Number),
      testAccuracy: expect.any(Number),
      examplesPerSecond: expect.any(Number),
      seconds: expect.any(Number),
    });
    expect(events.at(-1)).toMatchObject({ run: out });
  });

  test("leaves its configuration, metrics, curves and weights", () => {
    const read = (name: string): string => readFileSync(join(out, name), "utf8");
    expect(JSON.parse(read("config.json"))).toMatchObject({
      model: "softmax",
      seed: 3,
      isSample: true,
      learningRate: 0.1,
      device: expect.any(String),
    });
    expect(read("metrics.jsonl").trim().split("\n").length).toBe(2);
    expect(read("curves.svg")).toMatch(/^<svg[^>]+xmlns=/);
    expect(read("model.safetensors")).toContain('"1.weight"');
  });

  test("is evaluated to the accuracy it was trained to", async () => {
    const last = JSON.parse(readFileSync(join(out, "metrics.jsonl"), "utf8").trim().split("\n")[1]!) as {
      testAccuracy: number;
    };
    const { code, stdout } = await flybrick("evaluate", out, "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      model: "softmax",
      examples: 1000,
      accuracy: last.testAccuracy,
    });
  });

  test("goes on from its weights", async () => {
    const { code, stdout } = await flybrick(
      "train",
      "softmax",
      "--sample",
      "--epochs",
      "1",
      "--weights",
      join(out, "model.safetensors"),
      "--out",
      join(work, "more"),
      "--json",
    );
    expect(code).toBe(0);
    const epoch = stdout.split("\n").find((line) => line.includes('"epoch","'))!;
    expect((JSON.parse(epoch) as { trainAccuracy: number }).trainAccuracy).toBeGreaterThan(0.7);
  });

  test("is stopped by Ctrl-C: finishes the step, saves, says how to go on", async () => {
    const path = join(work, "stopped");
    const child = spawn(
      process.execPath,
      [bin, "train", "softmax", "--sample", "--epochs", "100000", "--learning-rate", "0.1", "--out", path],
      { cwd: work },
    );
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
      // A second signal would end it at once.
      if (child.killed) return;
      if (/epoch\s+2\/100000/.test(output)) child.kill("SIGINT");
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect(code).toBe(0);
    const hint = /flybrick (train softmax .*)$/m.exec(output)![1]!;
    expect(hint).toMatch(/--sample .*--learning-rate 0\.1 .*--weights /);
    const go = await flybrick(
      ...hint.replace(/--epochs \d+/, "--epochs 1").split(" "),
      "--out",
      join(work, "on"),
      "--json",
    );
    expect(go.code).toBe(0);
  });

  test("is not overwritten", () =>
    refuses(["train", "softmax", "--sample", "--out", out], /already holds a run: choose another --out/));
});

describe("bad input is one sentence and exit code 1:", () => {
  test("a truncated gzip", () =>
    refuses(
      trainOn(
        dataWith("train-images-idx3-ubyte", (bytes) => gzipSync(bytes, { level: 1 }).subarray(0, 9000)),
      ),
      /train-images-idx3-ubyte\.gz/,
    ));
  test("a corrupt gzip", () =>
    refuses(
      trainOn(
        dataWith("t10k-images-idx3-ubyte", (bytes) => {
          const packed = gzipSync(bytes, { level: 1 });
          packed.fill(0x55, 5000, 5100);
          return packed;
        }),
      ),
      /t10k-images-idx3-ubyte\.gz/,
    ));
  test("a wrong magic number", () =>
    refuses(
      trainOn(dataWith("train-labels-idx1-ubyte", (bytes) => Buffer.from(bytes).fill(7, 0, 4))),
      /train-labels-idx1-ubyte\.gz.*(magic|IDX)/,
    ));
  test("counts that disagree", () =>
    refuses(
      trainOn(
        dataWith("train-labels-idx1-ubyte", (bytes) => {
          const fewer = Buffer.from(bytes.subarray(0, bytes.length - 1));
          fewer.writeUInt32BE(5999, 4);
          return fewer;
        }),
      ),
      /6,?000.*5,?999|5,?999.*6,?000/,
    ));
  test("labels above 9", () =>
    refuses(
      trainOn(
        dataWith("t10k-labels-idx1-ubyte", (bytes) => {
          const wrong = Buffer.from(bytes);
          wrong[8 + 17] = 10;
          return wrong;
        }),
      ),
      /t10k-labels-idx1-ubyte.*17|17.*t10k-labels-idx1-ubyte/,
    ));
  test("missing files", () => refuses(trainOn(work), /lacks train-images-idx3-ubyte/));
  test("an unknown model", () =>
    refuses(
      ["train", "resnet", "--sample"],
      'there is no model named "resnet"; choose one of alexnet, lenet, mlp, softmax',
    ));
  test("an unwritable output", () =>
    refuses(["train", "softmax", "--sample", "--out", "/proc/flybrick"], /cannot be made a run directory/));
  test("a batch larger than the set", () =>
    refuses(
      ["train", "softmax", "--sample", "--batch-size", "6001", "--out", join(work, "never")],
      /batch size 6001 is larger than the data set of 6000 examples/,
    ));
  test("shapes that do not fit", () =>
    refuses(
      ["train", "lenet", "--sample", "--resize", "32", "--out", join(work, "never")],
      "layer 7: Linear expects 400 input features but receives 576",
    ));
  test("a number that is none", () =>
    refuses(["train", "softmax", "--epochs", "many"], /Give a whole number of at least 1/));
  test("weights of another network", async () => {
    await flybrick(
      "train",
      "softmax",
      "--sample",
      "--epochs",
      "1",
      "--batch-size",
      "3000",
      "--out",
      join(work, "other"),
      "--json",
    );
    await refuses(
      [
        "train",
        "mlp",
        "--sample",
        "--weights",
        join(work, "other", "model.safetensors"),
        "--out",
        join(work, "never"),
      ],
      /parameter 1\.weight is \[256, 784\], what was loaded is \[10, 784\]/,
    );
  });
  test("a run that is none", () => refuses(["evaluate", work], /is not a run/));
  test("nothing is left half-written", () => expect(existsSync(join(work, "never"))).toBe(false));
  test("as JSON where asked", async () => {
    const { code, stdout } = await flybrick("train", "resnet", "--json");
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ event: "error", message: expect.stringContaining("resnet") });
  });
  test("a loss that is no number keeps the last good weights", async () => {
    const out = join(work, "diverged");
    await refuses(
      ["train", "softmax", "--sample", "--epochs", "1", "--learning-rate", "1e38", "--out", out],
      /the loss of step \d+ is not a finite number; the last weights that gave a finite one are kept/,
    );
    const { code, stdout } = await flybrick("evaluate", out, "--json");
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { loss: number }).loss).toBeLessThan(10);
  });
});
