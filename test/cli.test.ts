import { execFile, spawn } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeFewImages } from "./support/few_images.js";

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

  test("is evaluated, exported and used with a checkpoint's weights where that is asked for", async () => {
    const [first, second] = readFileSync(join(out, "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { testAccuracy: number }).testAccuracy);
    expect(first).not.toBe(second);
    const checkpoints = readdirSync(join(out, "checkpoints"))
      .filter((name) => name.endsWith(".safetensors"))
      .sort();
    const weights = join(out, "checkpoints", checkpoints[0]!);
    const evaluated = await flybrick("evaluate", out, "--weights", weights, "--json");
    expect(JSON.parse(evaluated.stdout).accuracy).toBe(first);
    const exported = join(work, "first.safetensors");
    expect((await flybrick("export", out, "--weights", weights, "--out", exported)).code).toBe(0);
    const again = await flybrick("evaluate", out, "--weights", exported, "--json");
    expect(JSON.parse(again.stdout).accuracy).toBe(first);
    const predicted = await flybrick("predict", out, "--weights", exported, "--test-image", "0", "--json");
    expect(predicted.code).toBe(0);
    await refuses(
      ["evaluate", out, "--weights", "nowhere.safetensors"],
      /nowhere\.safetensors cannot be read/,
    );
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

  test("is not overwritten", () =>
    refuses(["train", "softmax", "--sample", "--out", out], /already holds a run: choose another --out/));
});

describe("a run by another recipe", () => {
  const fast = ["train", "softmax", "--sample", "--recipe", "fast", "--epochs", "1", "--seed", "3"];
  const out = join(work, "fast");
  let outcome: Outcome;
  beforeAll(async () => {
    outcome = await flybrick(...fast, "--momentum", "0.8", "--out", out);
  });
  const configOf = (path: string): Record<string, unknown> =>
    JSON.parse(readFileSync(join(path, "config.json"), "utf8")) as Record<string, unknown>;
  const weightsOf = (path: string): Buffer => readFileSync(join(path, "model.safetensors"));
  const lastEpoch = (path: string): { testLoss: number; testAccuracy: number; learningRate: number } =>
    JSON.parse(readFileSync(join(path, "metrics.jsonl"), "utf8").trim().split("\n").at(-1)!);

  test("says first where it differs from the notebook, and last what it was", () => {
    expect(outcome.code).toBe(0);
    const lines = outcome.stdout.split("\n");
    expect(lines[0]).toMatch(/^Recipe fast differs from the notebook's training; the network stays the same/);
    const settings = lines.slice(1, 3).join(" ");
    for (const one of ["--learning-rate 0.015", "--momentum 0.8", "--nesterov", "--weight-decay 0.0005"])
      expect(settings).toContain(one);
    for (const one of ["--schedule cosine", "--clip-grad-norm 5", "--normalize 0.286,0.353"])
      expect(settings).toContain(one);
    expect(settings).not.toMatch(/--batch-size|--optimizer/);
    expect(outcome.stdout).toMatch(/Done \(recipe fast but for [^)]+\): /);
  });

  test("is recorded, flags before the recipe, normalization in numbers", () => {
    expect(configOf(out)).toMatchObject({
      recipe: "fast",
      learningRate: 0.015,
      momentum: 0.8,
      nesterov: true,
      weightDecay: 0.0005,
      schedule: "cosine",
      warmupSteps: 150,
      clipGradNorm: 5,
      initializer: "kaiming-normal",
      normalize: { mean: 0.286, std: 0.353 },
    });
    expect(readFileSync(join(out, "curves.svg"), "utf8")).toContain("recipe fast");
    // 47 steps: after 15 of warm-up, the last of 32 of the cosine.
    expect(lastEpoch(out).learningRate).toBeCloseTo(0.0075 * (1 + Math.cos((Math.PI * 31) / 32)), 12);
  });

  test("is evaluated with the pixels it was trained on", async () => {
    const { stdout } = await flybrick("evaluate", out, "--json");
    const { testLoss, testAccuracy } = lastEpoch(out);
    expect(testAccuracy).toBeGreaterThan(0.6);
    expect(JSON.parse(stdout)).toMatchObject({ recipe: "fast", accuracy: testAccuracy });
    const loss = (text: string): number => (JSON.parse(text) as { loss: number }).loss;
    expect(loss(stdout)).toBeCloseTo(testLoss, 5);
    // Without its normalization the same run is another.
    const other = join(work, "fast-unnormalized");
    cpSync(out, other, { recursive: true });
    writeFileSync(join(other, "config.json"), JSON.stringify({ ...configOf(out), normalize: undefined }));
    const { code, stdout: changed } = await flybrick("evaluate", other, "--json");
    expect(code).toBe(0);
    expect(Math.abs(loss(changed) - testLoss)).toBeGreaterThan(0.01);
  });

  test("gives the same bits again, and by its settings one by one", async () => {
    const again = join(work, "fast-again");
    await flybrick(...fast, "--momentum", "0.8", "--out", again);
    expect(weightsOf(again)).toEqual(weightsOf(out));
    const words = outcome.stdout.split("\n").slice(1, 3).join(" ").trim().split(/\s+/);
    const apart = join(work, "fast-apart");
    const { code } = await flybrick(
      ...["train", "softmax", "--sample", "--epochs", "1", "--seed", "3", ...words, "--out", apart],
    );
    expect(code).toBe(0);
    expect(weightsOf(apart)).toEqual(weightsOf(out));
  });

  test("the notebook's is what is taken where none is named", async () => {
    const one = join(work, "unnamed");
    const two = join(work, "notebook");
    const plain = ["train", "softmax", "--sample", "--epochs", "1", "--seed", "3"];
    const { stdout } = await flybrick(...plain, "--out", one);
    expect(stdout).toMatch(/^softmax on Fashion-MNIST/);
    await flybrick(...plain, "--recipe", "notebook", "--out", two);
    expect(weightsOf(two)).toEqual(weightsOf(one));
    expect(weightsOf(one).equals(weightsOf(out))).toBe(false);
    expect(configOf(one)).toMatchObject({
      recipe: "notebook",
      batchSize: 128,
      learningRate: 0.01,
      momentum: 0,
      weightDecay: 0,
      clipGradNorm: false,
      normalize: false,
    });
  });

  test("can be taken back, setting by setting", async () => {
    const path = join(work, "taken-back");
    const flags = [
      "--no-nesterov",
      "--clip-grad-norm",
      "none",
      "--normalize",
      "none",
      "--schedule",
      "constant",
    ];
    await flybrick(...fast, ...flags, "--initializer", "xavier-uniform", "--out", path);
    expect(configOf(path)).toMatchObject({
      nesterov: false,
      clipGradNorm: false,
      normalize: false,
      schedule: "constant",
      initializer: "xavier-uniform",
    });
  });

  test("is explained by --help", async () => {
    const { code, stdout } = await flybrick("train", "--help");
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /--recipe <name> [^(]*\(choices:\s+"notebook",\s+"fast",\s+"best",\s+default: "notebook"\)/,
    );
    expect(stdout).toMatch(/^ {2}notebook {2}--batch-size 128 --optimizer sgd --learning-rate 0\.01 /m);
    expect(stdout).toMatch(
      /^ {2}fast +--batch-size 128 --optimizer sgd --learning-rate 0\.015 --momentum 0\.9/m,
    );
  });
});

/** Starts a run and sends it signals, one at each text it is waited for to print. */
async function interrupted(
  args: readonly string[],
  signals: readonly (readonly [RegExp, NodeJS.Signals])[],
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [bin, ...args], { cwd: work });
  let output = "";
  const left = [...signals];
  const look = (chunk: Buffer): void => {
    output += chunk;
    if (left[0]?.[0].test(output)) child.kill(left.shift()![1]);
  };
  child.stdout.on("data", look);
  child.stderr.on("data", look);
  return { code: await new Promise((resolve) => child.on("close", resolve)), output };
}

/** What a run leaves, but for times. */
function remains(run: string): { weights: Buffer; metrics: object[] } {
  const metrics = readFileSync(join(run, "metrics.jsonl"), "utf8").trim().split("\n");
  return {
    weights: readFileSync(join(run, "model.safetensors")),
    metrics: metrics.map((line) => {
      const { examplesPerSecond, dataSeconds, trainSeconds, seconds, ...rest } = JSON.parse(line);
      return rest as object;
    }),
  };
}

describe("a run that is resumed", () => {
  const few = join(work, "few images");
  const stopped = join(work, "stopped run");
  const whole = join(work, "whole run");
  const options = ["softmax", "--data-dir", few, "--recipe", "fast", "--batch-size", "20", "--epochs", "60"];
  beforeAll(async () => {
    await writeFewImages(few, 300, 60);
    expect((await flybrick("train", ...options, "--out", whole)).code).toBe(0);
  });

  test("was stopped by Ctrl-C: it had finished its step, saved, and said how to go on", async () => {
    const { code, output } = await interrupted(
      ["train", ...options, "--out", stopped],
      [[/epoch\s+2\/60/, "SIGINT"]],
    );
    // So that `train && evaluate` ends here.
    expect(code).toBe(130);
    expect(output).toMatch(/Stopped after step \d+; weights are in /);
    expect(output).toContain(`\n  npx flybrick train --resume '${stopped}'\n`);
    expect(existsSync(join(stopped, "model.safetensors"))).toBe(true);
    expect(readdirSync(stopped).filter((name) => name.endsWith(".lock"))).toEqual([]);
  });

  test("has taken all its settings, and takes no others", async () => {
    await refuses(
      ["train", "--resume", stopped, "--epochs", "3"],
      /--resume takes everything from .*config\.json: leave out --epochs, or train anew/,
    );
    await refuses(["train", "lenet", "--resume", stopped], /leave out lenet/);
    await refuses(["train", "--resume", join(work, "never")], /there is no run .*never: name a directory/);
    await refuses(
      ["train"],
      /name a model \(alexnet, lenet, mlp, softmax, or your own file.*\), or a run by --resume/,
    );
  });

  test("is in use by one process at a time; what a dead one left is removed", async () => {
    const [host, pid] = [hostname(), process.pid];
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").slice(0, 8);
    const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    const lock = join(stopped, `${pid}-${boot}-${ticks}@${host}.lock`);
    writeFileSync(lock, "");
    await refuses(
      ["train", "--resume", stopped],
      `stopped run is in use by process ${pid}: wait until it ends, or stop it.`,
    );
    const { stdout } = await flybrick("runs", stopped, "--json");
    expect(JSON.parse(stdout)).toMatchObject({ state: "running" });
    await refuses(["train", "softmax", "--sample", "--out", stopped], "is in use by process");
    rmSync(lock);
    // The same number, but another start: a process of before.
    writeFileSync(join(stopped, `${pid}-${boot}-1@${host}.lock`), "");
    writeFileSync(join(stopped, `999999999@${host}.lock`), "");
    const elsewhere = join(stopped, `1-abc-1@elsewhere.lock`);
    writeFileSync(elsewhere, "");
    await refuses(
      ["train", "--resume", stopped],
      /by process 1 on elsewhere: .*delete 1-abc-1@elsewhere\.lock there/,
    );
    rmSync(elsewhere);
    expect(readdirSync(stopped).filter((name) => name.endsWith(".lock"))).toEqual([]);
  });

  test("warns of a device that may compute other bits, and of no other number of threads", async () => {
    const run = join(work, "other device");
    cpSync(stopped, run, { recursive: true });
    const begun = JSON.parse(readFileSync(join(run, "config.json"), "utf8"));
    writeFileSync(
      join(run, "config.json"),
      JSON.stringify({ ...begun, device: "abacus", deviceDescription: "ten beads, 3 threads" }),
    );
    const { code, stdout } = await flybrick("train", "--resume", run);
    expect(code).toBe(0);
    expect(stdout).toContain(
      `Warning: ${run} was begun on abacus, ten beads, 3 threads: its bits may differ from an uninterrupted run's.\n`,
    );
    const same = join(work, "same device");
    cpSync(stopped, same, { recursive: true });
    const deviceDescription = begun.deviceDescription.replace(/\d+ threads?/, "77 threads");
    writeFileSync(join(same, "config.json"), JSON.stringify({ ...begun, deviceDescription }));
    expect((await flybrick("train", "--resume", same)).stdout).not.toContain("Warning");
  });

  test("holds no weights if it was killed in its first epoch: evaluate, export and predict say so", async () => {
    const run = join(work, "killed early");
    cpSync(stopped, run, { recursive: true });
    rmSync(join(run, "model.safetensors"));
    const message = `${run} holds no weights yet, since no epoch of it was finished: go on with it by \`npx flybrick train --resume '${run}'\`.`;
    await refuses(["evaluate", run], message);
    await refuses(["export", run, "--out", "never.onnx"], message);
    await refuses(["predict", run, "never.png"], message);
  });

  test("gives predict its own test images", () =>
    refuses(["predict", whole, "--test-image", "60"], "there is no test image 60: give a number below 60"));

  test("may have been trained on the sample: --data-dir still says where to look now", () =>
    refuses(
      ["predict", join(work, "run"), "--data-dir", few, "--test-image", "60"],
      "there is no test image 60: give a number below 60",
    ));

  test("goes on to the same weights and metrics, from any folder", async () => {
    // As a process leaves it that was killed after an epoch's metrics and before its checkpoint.
    appendFileSync(join(stopped, "metrics.jsonl"), '{"epoch":99,"loss":0}\n{"epoch":100');
    const { code, stdout } = await flybrick("train", "--resume", stopped);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Going on from step \d+, after epoch \d+\./);
    expect(remains(stopped)).toEqual(remains(whole));
  });

  test("says so when it is finished, and changes nothing", async () => {
    const before = readdirSync(stopped, { recursive: true }).sort();
    const { code, stdout } = await flybrick("train", "--resume", stopped);
    expect(code).toBe(0);
    expect(stdout).toBe(`${stopped} is finished, with 60 epochs: nothing is left to do.\n`);
    expect(readdirSync(stopped, { recursive: true }).sort()).toEqual(before);
    const json = await flybrick("train", "--resume", stopped, "--json");
    expect(JSON.parse(json.stdout)).toMatchObject({ event: "done", finished: true });
  });

  test("may have a damaged checkpoint, which it names", async () => {
    const run = join(work, "damaged run");
    cpSync(whole, run, { recursive: true });
    const last = readdirSync(join(run, "checkpoints")).sort().at(-1)!;
    writeFileSync(join(run, "checkpoints", last), "no longer a checkpoint");
    const { code, stdout } = await flybrick("train", "--resume", run);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      `Warning: ${join(run, "checkpoints", last)} is damaged: its checksum does not fit`,
    );
    expect(remains(run)).toEqual(remains(whole));
  });

  test("may be finished and yet damaged: its weights are written anew, or it goes on from the checkpoint before", async () => {
    const run = join(work, "damaged finished run");
    cpSync(whole, run, { recursive: true });
    const path = join(run, "model.safetensors");
    const last = join(run, "checkpoints", readdirSync(join(run, "checkpoints")).sort().at(-1)!);
    const breakOne = (path: string): void => {
      const bytes = readFileSync(path);
      // Far from the header.
      bytes[bytes.length - 100]! ^= 1;
      writeFileSync(path, bytes);
    };
    for (const [harm, word] of [
      [rmSync, "missing"],
      [breakOne, "not as training left it"],
    ] as const) {
      harm(path);
      const { code, stdout, stderr } = await flybrick("train", "--resume", run);
      expect(code).toBe(0);
      expect(stdout).toContain("is finished");
      expect(stderr).toBe(`Warning: ${path} was ${word}: it has been written anew from ${last}.\n`);
      expect(remains(run)).toEqual(remains(whole));
    }
    breakOne(last);
    const { code, stdout } = await flybrick("train", "--resume", run);
    expect(code).toBe(0);
    expect(stdout).toMatch(`Warning: ${last} is damaged: its checksum does not fit`);
    expect(remains(run)).toEqual(remains(whole));
  });

  test("was stopped at once by a second Ctrl-C: nothing half-written stays", async () => {
    const run = join(work, "twice");
    // Megabytes of checkpoints a step, so that one is being written.
    const { code } = await interrupted(
      ["train", "mlp", "--sample", "--epochs", "50", "--checkpoint-every", "1", "--out", run],
      [
        [/epoch\s+1\/50 {2}step 10/, "SIGINT"],
        [/press Ctrl-C again/, "SIGINT"],
      ],
    );
    expect(code).toBe(130);
    const left = readdirSync(run, { recursive: true }) as string[];
    expect(left.filter((name) => /\.(tmp|lock)$/.test(name))).toEqual([]);
  });

  test("was begun by a version that wrote no checkpoints", async () => {
    const run = join(work, "old run");
    cpSync(whole, run, { recursive: true });
    rmSync(join(run, "checkpoints"), { recursive: true });
    const { checkpointEvery, ...config } = JSON.parse(readFileSync(join(run, "config.json"), "utf8"));
    writeFileSync(join(run, "config.json"), JSON.stringify(config));
    expect((await flybrick("train", "--resume", run)).stdout).toContain("is finished");
    writeFileSync(join(run, "config.json"), JSON.stringify({ ...config, epochs: 70 }));
    await refuses(
      ["train", "--resume", run],
      /wrote no checkpoints: train anew from its weights by --weights/,
    );
  });
});

describe("a user's own model file", () => {
  const file = fileURLToPath(new URL("./support/typed_net.ts", import.meta.url));
  const run = join(work, "own");

  test("is trained at its own size, evaluated and summarized", async () => {
    const { code, stderr } = await flybrick(
      "train",
      file,
      "--sample",
      "--epochs",
      "1",
      "--out",
      run,
      "--json",
    );
    expect([code, stderr.includes("typed_net on Fashion-MNIST")]).toEqual([0, true]);
    expect(JSON.parse(readFileSync(join(run, "config.json"), "utf8"))).toMatchObject({
      model: file,
      resize: 20,
      modelChecksum: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const evaluated = await flybrick("evaluate", run);
    expect(evaluated.code).toBe(0);
    expect(evaluated.stdout).toMatch(
      /^\S+ \(recipe notebook[^)]*\) from \S+\ntest images of Fashion-MNIST, 6,000 training and 1,000 test images, /,
    );
    expect((await flybrick("summary", file)).stdout).toContain("[1, 12]");
  });

  test("must be the same when a run goes on", async () => {
    const config = JSON.parse(readFileSync(join(run, "config.json"), "utf8"));
    writeFileSync(join(run, "config.json"), JSON.stringify({ ...config, epochs: 2, modelChecksum: "0" }));
    rmSync(join(run, "checkpoints"), { recursive: true });
    await refuses(["train", "--resume", run], /typed_net\.ts has changed since .*own was begun: restore it/);
  });

  test.each([
    ["nothing", "export const net = 1;", "has as its default export nothing; it needs a network"],
    ["a number", "export default 3;", "has as its default export a Number; it needs a network"],
    ["a function of nothing", "export default () => null;", "a object; it needs a network"],
  ])("that exports %s is refused in words", async (_, text, message) => {
    const wrong = join(work, "wrong.mjs");
    writeFileSync(wrong, text);
    await refuses(["train", wrong, "--sample", "--out", join(work, "never")], message);
  });

  test("that is not there, or of another size, is refused in words", async () => {
    await refuses(
      ["train", "./none.ts", "--sample"],
      "./none.ts cannot be read, because there is no such file",
    );
    await refuses(
      ["train", file, "--sample", "--resize", "28", "--out", join(work, "never")],
      "makes a network for inputs of [1,20,20], but the images are [1,28,28]: change one of them (see --resize)",
    );
  });
});

describe("flybrick runs", () => {
  test("lists runs, and the settings in which they differ", async () => {
    const folder = join(work, "listed");
    for (const rate of ["0.1", "0.2"])
      await flybrick(
        ...[
          "train",
          "softmax",
          "--sample",
          "--epochs",
          "1",
          "--learning-rate",
          rate,
          "--out",
          join(folder, rate),
        ],
      );
    mkdirSync(join(folder, "other"));
    const { code, stdout } = await flybrick("runs", folder);
    expect(code).toBe(0);
    const [head, first, second, none, title, columns, left, right] = stdout.split("\n");
    expect(head).toMatch(
      /^run +model +recipe +state +epochs +loss +train acc +test acc +best +images\/s +time$/,
    );
    expect(first).toMatch(
      /0\.1 +softmax +notebook +finished +1\/1 +1\.\d{3} +0\.\d{3} +0\.\d{3} +0\.\d{3} \(1\)/,
    );
    expect(second).toMatch(/0\.2 +softmax /);
    expect([none, title]).toEqual(["", "They differ in"]);
    expect(columns).toMatch(/^run +learningRate$/);
    expect([left, right].map((line) => line!.split(/ +/).at(-1))).toEqual(["0.1", "0.2"]);
    const config = JSON.parse(readFileSync(join(folder, "0.2", "config.json"), "utf8"));
    const elsewhere = {
      ...config,
      dataDir: `/data/${"folder/".repeat(20)}images`,
      dataSource: "other images",
      deviceDescription: "another processor",
    };
    writeFileSync(join(folder, "0.2", "config.json"), JSON.stringify(elsewhere));
    const more = (await flybrick("runs", folder)).stdout.split("\n");
    expect(more[5]).toMatch(/^run +learningRate +dataDir$/);
    expect(more[7]).toMatch(/0\.2 +0\.2 +…[\w/]{16}\/images$/);
    const json = (await flybrick("runs", join(folder, "0.2"), join(folder, "0.1"), "--json")).stdout.trim();
    expect(json.split("\n").map((line) => JSON.parse(line))).toMatchObject([
      { run: join(folder, "0.2"), state: "finished", best: { epoch: 1 }, config: { learningRate: 0.2 } },
      { run: join(folder, "0.1") },
    ]);
  });

  test("says where there is none, and that a folder is none", async () => {
    expect((await flybrick("runs")).stdout).toBe("no run is in runs\n");
    await refuses(["runs", "nowhere"], "nowhere cannot be read, because there is no such file or directory");
  });
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
  test.each([
    ["--recipe", "slow", /'--recipe <name>' argument 'slow' is invalid\. Allowed choices are notebook, fast/],
    [
      "--clip-grad-norm",
      "0",
      /'--clip-grad-norm <x>' argument '0' is invalid\. Give a number above 0, or none/,
    ],
    ["--clip-grad-norm", "five", /argument 'five' is invalid\. Give a number above 0, or none/],
    [
      "--warmup-steps",
      "-1",
      /'--warmup-steps <n>' argument '-1' is invalid\. Give a whole number of at least 0/,
    ],
    ["--schedule", "linear", /argument 'linear' is invalid\. Allowed choices are constant, cosine/],
    ["--initializer", "zeros", /argument 'zeros' is invalid\. Allowed choices are xavier-uniform, kaiming-/],
    [
      "--normalize",
      "0.3",
      /'--normalize <how>' argument '0\.3' is invalid\. Give none, data, or mean and dev/,
    ],
    [
      "--normalize",
      "0.3,0",
      /argument '0\.3,0' is invalid\. Give none, data, or mean and deviation \(above 0\)/,
    ],
    ["--normalize", "0.3,0.2,0.1", /argument '0\.3,0\.2,0\.1' is invalid/],
    ["--normalize", ",1", /argument ',1' is invalid/],
    ["--mixup", "2", /argument '2' is invalid\. Give a number of at least 0 and at most 1/],
    ["--label-smoothing", "2", /argument '2' is invalid\. Give a number of at least 0 and at most 1/],
    ["--ema-decay", "1", /argument '1' is invalid\. Give a number of at least 0 and below 1/],
    ["--augment", "scale:1", /augmentation scale: its share is 1; give one of at least 0 and below 1/],
    ["--warmup-steps", "5", "--warmup-steps has no effect with --schedule constant: leave it out, or take"],
  ])("%s %s", (flag, value, message) =>
    refuses(["train", "softmax", "--sample", flag, value, "--out", join(work, "never")], message),
  );
  test.each([
    ["--momentum", ["--momentum", "0.9"]],
    ["--nesterov", ["--nesterov"]],
  ])("%s for an optimizer that has none", (flag, args) =>
    refuses(
      ["train", "softmax", "--sample", "--optimizer", "adam", ...args, "--out", join(work, "never")],
      `${flag} has no effect with --optimizer adam: leave it out, or take --optimizer sgd.`,
    ),
  );
  test("no run tells of settings that its optimizer leaves without effect", async () => {
    const args = ["train", "softmax", "--recipe", "fast", "--optimizer", "adam", "--data-dir", "none"];
    const { stdout } = await flybrick(...args, "--schedule", "one-cycle");
    expect(stdout).toContain("--optimizer adam");
    expect(stdout).not.toMatch(/--momentum|nesterov|--warmup-steps/);
  });
  test("ways to draw weights that are not drawn", () =>
    refuses(
      ["train", "softmax", "--initializer", "kaiming-normal", "--weights", "never.safetensors"],
      "--initializer has no effect with --weights: leave it out, or draw new weights without --weights.",
    ));
  test("a recipe whose settings no longer go together, before any data are loaded", () =>
    refuses(
      ["train", "softmax", "--data-dir", "none", "--recipe", "fast", "--momentum", "0"],
      /nesterov needs a momentum above 0, and it is 0; raise it or leave nesterov out/,
    ));
  test("a normalization that was damaged since", async () => {
    const run = join(work, "damaged");
    await flybrick("train", "softmax", "--sample", "--epochs", "1", "--batch-size", "3000", "--out", run);
    const config = join(run, "config.json");
    const saved = JSON.parse(readFileSync(config, "utf8")) as object;
    writeFileSync(config, JSON.stringify({ ...saved, normalize: { mean: 0.2, std: 0 } }));
    await refuses(["evaluate", run], /normalization: std is 0; give a finite number above 0/);
  });
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
