import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { duration, openProgress, type ProgressView } from "../../src/train/progress.js";

const escapeCode = "\u001b";
const state = { loss: 2.3, accuracy: 0.1, examplesPerSecond: 1234.5 };

/** Runs an epoch against a stream and returns what was written. */
function written(steps: number, isTTY: boolean, env: Record<string, string>): string {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 120 });
  const view: ProgressView = openProgress({
    epochs: 10,
    stream: stream as unknown as NodeJS.WriteStream,
    env,
  });
  view.start(1, steps);
  for (let step = 1; step <= steps; step++) {
    view.update(step, state);
    if (step === 1) view.note("A note.");
  }
  view.epoch({
    epoch: 1,
    loss: 2,
    trainAccuracy: 0.2,
    testAccuracy: 0.3,
    examplesPerSecond: 9.96,
    seconds: 75,
  });
  view.stop();
  view.stop();
  return String(stream.read() ?? "");
}

const summary = "epoch  1/10  loss 2.000  train acc 0.200  test acc 0.300  10 images/s  1 min 15 s\n";

describe("progress", () => {
  it("is a line every tenth of an epoch where the output is piped", () => {
    const lines = written(47, false, {}).split("\n");
    expect(lines.filter((line) => line.includes("step"))).toHaveLength(10);
    expect(lines.join("\n")).not.toContain(escapeCode);
    expect(`${lines.at(-2)}\n`).toBe(summary);
    expect(lines).toContain("epoch  1/10  step 47/47  loss 2.300  acc 0.100  1,235 images/s");
  });

  it("is at least a line an epoch", () => {
    expect(written(1, false, {}).match(/step 1\/1/g)).toHaveLength(1);
  });

  it("is plain on a terminal that cannot redraw", () => {
    expect(written(20, true, { TERM: "dumb" })).not.toContain(escapeCode);
  });

  it("is a bar on a terminal, which gives way to notes and the summary", () => {
    const text = written(47, true, { TERM: "xterm" });
    expect(text).toContain(`${escapeCode}[36m`);
    expect(text).toContain("47/47");
    expect(text).toContain("A note.\n");
    expect(text.endsWith(summary)).toBe(true);
    expect(text.lastIndexOf(`${escapeCode}[?25h`)).toBeGreaterThan(text.lastIndexOf(`${escapeCode}[?25l`));
  });

  it("has no colours if none are wanted", () => {
    expect(written(47, true, { NO_COLOR: "1" })).not.toContain(`${escapeCode}[36m`);
    expect(written(47, true, { NO_COLOR: "" })).toContain(`${escapeCode}[36m`);
  });
});

it("tells time as people do", () => {
  const texts = [0, 0.25, 9, 59.7, 125, 3600, 3780, Number.NaN].map(duration);
  expect(texts).toEqual([
    "0 s",
    "0.3 s",
    "9 s",
    "1 min 00 s",
    "2 min 05 s",
    "1 h 00 min",
    "1 h 03 min",
    "? s",
  ]);
});
