import { appendFile, chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { atomicWrite } from "../../src/core/atomic_write.js";
import { UserError } from "../../src/core/errors.js";
import { nextRunDirectory, RunDirectory } from "../../src/train/run_directory.js";

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "flybrick-run-"));
});
afterEach(() => rm(base, { recursive: true, force: true }));

const config = { model: "lenet", epochs: 10 };

describe("RunDirectory", () => {
  it("keeps configuration, metrics and files", async () => {
    const path = join(base, "runs", "lenet");
    const run = await RunDirectory.create(path, config);
    await run.appendMetrics({ epoch: 1, loss: 2.5 });
    await run.appendMetrics({ epoch: 2, loss: 1.5 });
    await run.writeFile("curves.svg", "<svg/>");
    await run.writeFile("model.safetensors", Uint8Array.of(1, 2));
    await run.close();
    const again = await RunDirectory.open(path);
    expect(again.config).toEqual(config);
    expect(await again.readMetrics()).toEqual([
      { epoch: 1, loss: 2.5 },
      { epoch: 2, loss: 1.5 },
    ]);
    expect([...(await again.readFile("model.safetensors"))]).toEqual([1, 2]);
    expect((await readdir(path)).sort()).toEqual([
      "config.json",
      "curves.svg",
      "metrics.jsonl",
      "model.safetensors",
    ]);
  });

  it("begins in an empty directory", async () => {
    expect((await RunDirectory.create(base, config)).path).toBe(base);
  });

  it("has no metrics before the first epoch", async () => {
    expect(await (await RunDirectory.create(base, config)).readMetrics()).toEqual([]);
  });

  it("drops a line that a crash cut short", async () => {
    const run = await RunDirectory.create(base, config);
    await run.appendMetrics({ epoch: 1 });
    await appendFile(join(base, "metrics.jsonl"), '{"epo');
    const again = await RunDirectory.open(base);
    expect(await again.readMetrics()).toEqual([{ epoch: 1 }]);
    await again.appendMetrics({ epoch: 2 });
    expect(await again.readMetrics()).toEqual([{ epoch: 1 }, { epoch: 2 }]);
  });

  it("names a line that is damaged", async () => {
    const run = await RunDirectory.create(base, config);
    await writeFile(join(base, "metrics.jsonl"), '{"epoch":1}\n[2]\n');
    await expect(run.readMetrics()).rejects.toThrow("Line 2 of ");
  });

  const refuses = async (making: Promise<unknown>, message: string) => {
    await expect(making).rejects.toThrow(UserError);
    await expect(making).rejects.toThrow(message);
  };

  it("never writes into another run", async () => {
    const run = await RunDirectory.create(base, config);
    await refuses(RunDirectory.create(base, config), `${base} is in use by this process already`);
    await refuses(RunDirectory.resume(base), `${base} is in use by this process already`);
    await run.appendMetrics({ epoch: 1 });
    await run.close();
    await refuses(
      RunDirectory.create(base, config),
      `${base} already holds a run: choose another --out, go on with it by \`npx flybrick train --resume ${base}\`, or delete it first.`,
    );
  });

  it("leaves no trace of a run that kept nothing, and takes the place of one that was killed before it did", async () => {
    const path = join(base, "run");
    await (await RunDirectory.create(path, config)).close();
    expect(await readdir(base)).toEqual([]);
    await mkdir(join(path, "checkpoints"), { recursive: true });
    await writeFile(join(path, "config.json"), "{}");
    const run = await RunDirectory.create(path, config);
    expect((await RunDirectory.open(path)).config).toEqual(config);
    await run.writeFile("model.safetensors", "kept");
    await run.close();
    expect(await readdir(path)).toEqual(["config.json", "model.safetensors"]);
    await mkdir(join(base, "other", "checkpoints", "step"), { recursive: true });
    await refuses(RunDirectory.create(join(base, "other"), config), "holds no run (it has checkpoints)");
  });

  it("cuts metrics to those before a checkpoint, and says where there are too few", async () => {
    const run = await RunDirectory.create(base, config);
    for (const epoch of [1, 2, 3]) await run.appendMetrics({ epoch });
    await run.keepMetrics(2);
    await run.appendMetrics({ epoch: 9 });
    expect(await run.readMetrics()).toEqual([{ epoch: 1 }, { epoch: 2 }, { epoch: 9 }]);
    await refuses(run.keepMetrics(4), "metrics.jsonl has 3 lines, but 4 epochs are finished: restore it");
  });

  it("removes what a killed process left half-written, and nothing else", async () => {
    await (await RunDirectory.create(base, config)).appendMetrics({ epoch: 1 });
    for (const name of await readdir(base)) if (name.endsWith(".lock")) await rm(join(base, name));
    for (const name of [".model.safetensors.0123456789ab.tmp", ".mine.tmp"])
      await writeFile(join(base, name), "");
    const run = await RunDirectory.resume(base);
    await run.close();
    expect((await readdir(base)).sort()).toEqual([".mine.tmp", "config.json", "metrics.jsonl"]);
  });

  it("never writes among other files", async () => {
    await writeFile(join(base, "thesis.tex"), "");
    await refuses(
      RunDirectory.create(base, config),
      "is not empty and holds no run (it has thesis.tex): choose",
    );
    expect(await readdir(base)).toEqual(["thesis.tex"]);
  });

  it("says when its path is a file", async () => {
    const path = join(base, "file");
    await writeFile(path, "");
    await refuses(
      RunDirectory.create(path, config),
      "because a file of that name exists: choose another --out.",
    );
    await refuses(RunDirectory.create(join(path, "run"), config), "a part of the path is not a directory");
  });

  // Root may write anywhere; the test below has a place where nobody may.
  const isRoot = process.getuid?.() === 0;
  if (!isRoot)
    it("says when it may not write, and leaves nothing behind", async () => {
      await chmod(base, 0o555);
      const path = join(base, "run");
      await refuses(
        RunDirectory.create(path, config),
        `${path} cannot be made a run directory, because permission`,
      );
      await refuses(RunDirectory.create(base, config), "because permission is denied");
      expect(await readdir(base)).toEqual([]);
      await chmod(base, 0o755);
    });

  if (process.platform === "linux")
    it("says when no directory can be made, even below /proc", () =>
      refuses(
        RunDirectory.create("/proc/flybrick/run", config),
        "/proc/flybrick/run cannot be made a run directory",
      ));

  it("opens only runs", async () => {
    await refuses(RunDirectory.open(base), `${base} is not a run, because its config.json cannot be read`);
    await writeFile(join(base, "config.json"), "[1");
    await refuses(RunDirectory.open(base), "config.json is not a JSON object");
  });

  it("names a file that a run lacks", async () => {
    const run = await RunDirectory.create(base, config);
    await refuses(
      run.readFile("model.safetensors"),
      "model.safetensors cannot be read, because there is no such file",
    );
  });
});

describe("atomicWrite", () => {
  it("replaces a file", async () => {
    const path = join(base, "file");
    await atomicWrite(path, "old");
    await atomicWrite(path, "new");
    expect(await readFile(path, "utf8")).toBe("new");
    expect(await readdir(base)).toEqual(["file"]);
  });

  it("leaves the old file, and no other, when writing fails", async () => {
    const path = join(base, "file");
    await atomicWrite(path, "old");
    const unwritable = { length: 3 } as unknown as Uint8Array;
    await expect(atomicWrite(path, unwritable)).rejects.toThrow(`${path} cannot be written, because`);
    expect(await readFile(path, "utf8")).toBe("old");
    expect(await readdir(base)).toEqual(["file"]);
  });

  it("leaves nothing behind when the rename fails", async () => {
    await mkdir(join(base, "taken", "inside"), { recursive: true });
    await expect(atomicWrite(join(base, "taken"), "text")).rejects.toThrow(UserError);
    expect(await readdir(base)).toEqual(["taken"]);
  });

  it("says when the directory is missing", async () => {
    const path = join(base, "absent", "file");
    await expect(atomicWrite(path, "text")).rejects.toThrow(
      `${path} cannot be written, because there is no such file or directory: choose another place.`,
    );
  });
});

describe("nextRunDirectory", () => {
  it("counts up past what exists", async () => {
    expect(nextRunDirectory(base, "lenet")).toBe(join(base, "lenet"));
    await mkdir(join(base, "lenet"));
    expect(nextRunDirectory(base, "lenet")).toBe(join(base, "lenet-2"));
    await mkdir(join(base, "lenet-2"));
    expect(nextRunDirectory(base, "lenet")).toBe(join(base, "lenet-3"));
  });
});
