import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { duration, openProgress, type ProgressView } from "../../src/train/progress.js";
import { Screen } from "../support/screen.js";

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

  it("has no colours if none are wanted", () => {
    const colour = `${escapeCode}[36m`;
    expect(written(47, true, { NO_COLOR: "1" })).not.toContain(colour);
    expect(written(47, true, { NO_COLOR: "" })).toContain(colour);
  });
});

describe("on a terminal", () => {
  const legend = "   ● train loss   ○ train acc   ▲ test acc   ┈ the book";
  const reference = { loss: 0.469, testAccuracy: 0.779 };
  const result = (epoch: number) => ({
    epoch,
    loss: 2 / epoch,
    trainAccuracy: 1 - 0.5 / epoch,
    testAccuracy: 0.9 - 0.5 / epoch,
    examplesPerSecond: 10,
    seconds: 75,
  });
  const open = (screen: Screen) => openProgress({ epochs: 10, reference, stream: screen.stream, env: {} });
  const markers = (screen: Screen, marker: string) =>
    screen.lines
      .filter((line) => line !== legend)
      .join("")
      .split(marker).length - 1;

  it("stays below notes and summaries, at one place, and leaves the curves", () => {
    const screen = new Screen();
    const view = open(screen);
    view.note("before");
    view.start(1, 47);
    expect(screen.hasCursor).toBe(false);
    for (let step = 1; step <= 46; step++) {
      view.update(step, state);
      expect(screen.lines[1]).toContain(` ${step}/47  `);
      expect(screen.lines[2]).toBe(legend);
      expect(screen.lines).toHaveLength(13);
    }
    view.note("a note");
    view.update(47, state);
    expect(screen.lines.slice(0, 2)).toEqual(["before", "a note"]);
    expect(screen.lines[2]).toMatch(/^epoch {2}1\/10 █{24} 47\/47 {2}0 s left/);
    view.epoch(result(1));
    view.start(2, 47);
    view.update(5, state);
    expect(screen.lines[2]).toContain("epoch  1/10  loss 2.000  train acc 0.500  test acc 0.400");
    expect(screen.lines[3]).toMatch(/^epoch {2}2\/10 █{3}░{21} 5\/47 {2}\? s left/);
    expect(screen.lines).toHaveLength(15);

    view.stop();
    view.stop();
    view.note("after");
    expect(screen.hasCursor).toBe(true);
    expect(screen.lines[3]).toBe("");
    expect(screen.lines[4]).toBe(legend);
    expect(screen.lines.at(-1)).toBe("after");
    expect(screen.lines).toHaveLength(16);
    expect(screen.listenerCount("resize")).toBe(0);
  });

  it("marks each epoch, those of earlier sittings too, and where training stands", () => {
    const screen = new Screen();
    const view = open(screen);
    view.resume([1, 2, 3].map(result));
    view.start(4, 50);
    expect(markers(screen, "▲")).toBe(3);
    expect(markers(screen, "●")).toBe(3);
    // Within the epoch, there is a running loss but no test yet.
    view.update(25, { loss: 0.6, accuracy: 0.85, examplesPerSecond: 10 });
    expect(markers(screen, "●")).toBe(4);
    expect(markers(screen, "▲")).toBe(3);
    view.epoch(result(4));
    expect(markers(screen, "●")).toBe(4);
    expect(markers(screen, "▲")).toBe(4);
    view.stop();
  });

  it("leaves the curves out while there is no room, and draws anew when it is resized", () => {
    const screen = new Screen(59, 40);
    const view = open(screen);
    view.start(1, 47);
    view.update(20, state);
    expect(screen.lines).toHaveLength(1);
    screen.columns = 60;
    screen.emit("resize");
    expect(screen.lines).toHaveLength(12);
    expect(screen.lines.every((line) => line.length < 60)).toBe(true);
    screen.rows = 12;
    screen.emit("resize");
    expect(screen.lines).toHaveLength(1);
    view.stop();
    expect(screen.lines).toEqual([]);
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
