import { type ChildProcess, execFile, spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const bin = fileURLToPath(new URL("../../bin/flybrick.js", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "flybrick-watch-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const run = join(work, "run");
const flybrick = (...args: string[]) => promisify(execFile)(process.execPath, [bin, ...args], { cwd: work });

beforeAll(async () => {
  await flybrick(..."train softmax --sample --epochs 2 --learning-rate 0.1 --out".split(" "), run);
}, 240_000);

/** A live page's address, and a wait for a text in what it sends. */
async function opened(child: ChildProcess): Promise<{ url: string; shows: (text: string) => Promise<void> }> {
  const [, url] = await printed(child, /^(http:\/\/127\.0\.0\.1:\d+\/) shows/);
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
  return { url: url!, shows };
}

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
      const { url, shows } = await opened(child);
      expect(await (await fetch(url)).text()).toContain("after the first epoch");
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

  test("that ended early is no unfinished one", async () => {
    const early = join(work, "early");
    cpSync(run, early, { recursive: true });
    const config = JSON.parse(readFileSync(join(run, "config.json"), "utf8"));
    writeFileSync(join(early, "config.json"), JSON.stringify({ ...config, epochs: 60, earlyStopping: 1 }));
    const [first] = readFileSync(join(run, "metrics.jsonl"), "utf8").split("\n");
    const second = { ...JSON.parse(first!), epoch: 2 };
    writeFileSync(join(early, "metrics.jsonl"), `${first}\n${JSON.stringify(second)}\n`);
    await flybrick("report", early);
    const page = readFileSync(join(early, "report.html"), "utf8");
    expect(page).toContain("<title>Softmax regression on Fashion-MNIST</title>");
    expect(page).toContain('<dt>epochs</dt><dd>2</dd><dd class="remark">stopped early · ');
  });

  test("is asked for where there is none", async () => {
    for (const command of ["report", "watch"])
      await expect(flybrick(command, join(work, "nothing"))).rejects.toThrow(/there is no run .*nothing/);
  });
});

describe("weights that ship", { timeout: 240_000 }, () => {
  test("have a report here, or in another place, and not in the package", async () => {
    const { stdout } = await flybrick("report", "lenet", "--sample");
    expect(stdout).toBe("report.html\n");
    expect(readFileSync(join(work, "report.html"), "utf8")).toContain("of 1,000 test images are right");
    const elsewhere = await flybrick("report", "lenet", "--sample", "--svg", "--out", "a/b");
    const files = elsewhere.stdout.trim().split("\n");
    expect(files).toContain(join("a", "b", "confusion.svg"));
    for (const file of files) expect(existsSync(join(work, file)), file).toBe(true);
    expect(existsSync(fileURLToPath(new URL("../../weights/lenet/report.html", import.meta.url)))).toBe(
      false,
    );
  });

  test("have no report where none can be written", async () => {
    await expect(flybrick("report", "lenet", "--sample", "--out", "/proc/flybrick")).rejects.toThrow(
      "/proc/flybrick cannot be made, because there is no such file or directory: choose another --out.",
    );
  });

  test("are shown live", async () => {
    const child = spawn(process.execPath, [bin, "watch", "lenet", "--sample"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      await (await opened(child)).shows("of 1,000 test images are right");
    } finally {
      child.kill("SIGKILL");
    }
  });
});

test("a port that there is none of is refused", async () => {
  await expect(flybrick("watch", run, "--port", "99999")).rejects.toThrow(
    "argument '99999' is invalid. Give a whole number from 0 to 65535.",
  );
});
