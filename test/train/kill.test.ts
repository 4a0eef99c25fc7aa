import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { philox4x32 } from "../../src/core/scalar.js";
import { decodeCheckpoint } from "../../src/train/checkpoint.js";
import { writeFewImages } from "../support/few_images.js";

const kills = 20;
const bin = fileURLToPath(new URL("../../bin/flybrick.js", import.meta.url));
const model = fileURLToPath(new URL("../support/dropout_net.js", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "flybrick-kill-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

function start(...args: string[]): { child: ChildProcess; begun: Promise<unknown>; ended: Promise<string> } {
  const child = spawn(process.execPath, [bin, "train", ...args, "--json"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let complaint = "";
  child.stderr!.on("data", (text) => {
    complaint += text;
  });
  const ended = new Promise<string>((resolve) => {
    child.on("close", (code, signal) => resolve(signal ?? (code === 0 ? "finished" : complaint)));
  });
  return {
    child,
    begun: Promise.race([new Promise((resolve) => child.stdout!.once("data", resolve)), ended]),
    ended,
  };
}

/** All that a run leaves, but for times. */
function remains(run: string): unknown {
  const weights = readFileSync(join(run, "model.safetensors")).toString("base64");
  const metrics = readFileSync(join(run, "metrics.jsonl"), "utf8").trim().split("\n");
  const last = readdirSync(join(run, "checkpoints")).sort().at(-1)!;
  const { state, tensors } = decodeCheckpoint(readFileSync(join(run, "checkpoints", last)), last);
  const values = [...tensors].map(([name, { data }]) => `${name} ${Buffer.from(data).toString("base64")}`);
  const untimed = metrics.map((line) => {
    const { examplesPerSecond, dataSeconds, trainSeconds, seconds, ...rest } = JSON.parse(line);
    return JSON.stringify(rest);
  });
  return {
    weights,
    values: values.join("\n"),
    untimed: untimed.join("\n"),
    random: state.random,
    steps: state.steps,
  };
}

test(`a run that is killed ${kills} times ends with the bits of one that is not`, async () => {
  const data = join(work, "data");
  await writeFewImages(data, 210, 50);
  const options = [
    model,
    "--data-dir",
    data,
    "--batch-size",
    "20",
    "--epochs",
    "16",
    "--recipe",
    "fast",
    "--seed",
    "7",
  ];
  const run = (name: string): string => join(work, name);

  const spawned = performance.now();
  const whole = start(...options, "--checkpoint-every", "4", "--out", run("whole"));
  await whole.begun;
  const from = performance.now();
  expect(await whole.ended).toBe("finished");
  const [milliseconds, startUp] = [performance.now() - from, from - spawned];

  // Half the run goes by before the last kill, on average; the sum of twenty hardly varies.
  const shares = Array.from({ length: kills }, (_, k) => philox4x32([k, 0, 0, 0], [11, 0])[0] / 2 ** 32);
  let sitting = start(...options, "--checkpoint-every", "4", "--out", run("killed"));
  for (const [k, share] of shares.entries()) {
    // Every fourth dies as it starts up and reads its checkpoint.
    const isEarly = k % 4 === 3;
    if (!isEarly) await sitting.begun;
    await sleep(share * (isEarly ? startUp : milliseconds / kills));
    sitting.child.kill("SIGKILL");
    expect(await sitting.ended).toBe("SIGKILL");
    sitting = start("--resume", run("killed"));
  }
  expect(await sitting.ended).toBe("finished");
  const [expected, found] = [remains(run("whole")), remains(run("killed"))];
  // Not toEqual: a difference of megabytes takes minutes to print.
  expect(JSON.stringify(found) === JSON.stringify(expected)).toBe(true);
  expect(readdirSync(run("killed")).sort()).toEqual(readdirSync(run("whole")).sort());
}, 180_000);
