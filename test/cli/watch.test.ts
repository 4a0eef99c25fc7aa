import { type ChildProcess, execFile, spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const bin = fileURLToPath(new URL("../../bin/flybrick.js", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "flybrick-watch-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const run = join(work, "run");
const flybrick = (...args: string[]) => promisify(execFile)(process.execPath, [bin, ...args]);

beforeAll(async () => {
  await flybrick(..."train softmax --sample --epochs 2 --learning-rate 0.1 --out".split(" "), run);
}, 240_000);

/** Lines that a process prints until one matches. */
function printed(child: ChildProcess, pattern: RegExp): Promise<RegExpMatchArray> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout!.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
      const match = text.match(pattern);
      if (match) resolve(match);
    });
    child.once("exit", (code) => reject(new Error(`exit code ${code} after ${JSON.stringify(text)}`)));
  });
}

describe("a trained run", { timeout: 240_000 }, () => {
  test("has a report in one file, and its charts as files", async () => {
    const { stdout } = await flybrick("report", run, "--svg", "--png");
    expect(stdout.split("\n")[0]).toBe(join(run, "report.html"));
    const page = readFileSync(join(run, "report.html"), "utf8");
    expect(page).toContain("<h1>Softmax regression on Fashion-MNIST</h1>");
    expect(page).toContain("of 1,000 test images are right");
    expect(readFileSync(join(run, "confusion.svg"), "utf8")).toContain("What is taken for what");
    const png = readFileSync(join(run, "accuracy.png"));
    expect(png.subarray(1, 4).toString()).toBe("PNG");
    // Two pixels a unit: 440 units wide.
    expect(png.readUInt32BE(16)).toBe(880);
  });

  test("is shown live while another process writes it, until Ctrl-C", async () => {
    const live = join(work, "live");
    cpSync(run, live, { recursive: true });
    const lines = readFileSync(join(run, "metrics.jsonl"), "utf8").trim().split("\n");
    writeFileSync(join(live, "metrics.jsonl"), `${lines[0]}\n`);
    rmSync(join(live, "model.safetensors"));
    const child = spawn(process.execPath, [bin, "watch", live], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const [, url] = await printed(child, /^(http:\/\/127\.0\.0\.1:\d+\/) shows/);
      expect(await (await fetch(url!)).text()).toContain("after the first epoch");
      const events = (await fetch(new URL("events", url!))).body!.pipeThrough(new TextDecoderStream());
      const reader = events.getReader();
      const shows = async (text: string): Promise<void> => {
        let seen = "";
        while (!seen.includes(text)) {
          const { value, done } = await reader.read();
          if (done) throw new Error(`the stream ended before ${JSON.stringify(text)}`);
          seen += value;
        }
      };
      await shows("1 of 2");
      writeFileSync(join(live, "metrics.jsonl"), `${lines.join("\n")}\n`);
      await shows('"title":"Softmax regression on Fashion-MNIST"');
      cpSync(join(run, "model.safetensors"), join(live, "model.safetensors"));
      await shows("of 1,000 test images are right");
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGINT");
      expect(await ended).toBe(0);
    } finally {
      child.kill("SIGKILL");
    }
  });

  test("is asked for where there is none", async () => {
    for (const command of ["report", "watch"])
      await expect(flybrick(command, join(work, "nothing"))).rejects.toThrow(/there is no run .*nothing/);
  });
});
