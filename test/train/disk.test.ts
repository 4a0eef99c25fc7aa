import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeFewImages } from "../support/few_images.js";

const bin = fileURLToPath(new URL("../../bin/flybrick.js", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "flybrick-disk-"));
const disk = mkdtempSync(join(tmpdir(), "flybrick-tmpfs-"));

function mount(...options: string[]): void {
  execFileSync("mount", ["-t", "tmpfs", "-o", options.join(","), "tmpfs", disk], { stdio: "pipe" });
}

/** Only root may mount a small disk. Where CI sets FLYBRICK_REQUIRE_DEVICES, not being able to is a failure. */
function canMount(): boolean {
  try {
    mount("size=1m");
    execFileSync("umount", [disk]);
    return true;
  } catch (error) {
    if (process.env.FLYBRICK_REQUIRE_DEVICES) throw error;
    console.warn(`not tested: a full disk, since none can be mounted (${(error as Error).message.trim()})`);
    return false;
  }
}

function flybrick(...args: string[]): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], { encoding: "utf8" });
  return { code: status, output: stdout + stderr };
}

const options = ["mlp", "--data-dir", join(work, "data"), "--batch-size", "20", "--epochs", "2", "--json"];
const weights = (run: string): Buffer => readFileSync(join(run, "model.safetensors"));

afterAll(() => {
  rmSync(work, { recursive: true, force: true });
  rmSync(disk, { recursive: true, force: true });
});

if (canMount())
  describe("a disk of its own", () => {
    const run = join(disk, "run");
    beforeAll(async () => {
      await writeFewImages(join(work, "data"), 200, 40);
      mount("size=2m");
    });
    afterAll(() => {
      execFileSync("umount", [disk]);
    });

    test("that is full stops a run in words, and nothing is lost: with more room it ends as if it had had it", () => {
      expect(flybrick("train", ...options, "--out", join(work, "whole")).code).toBe(0);
      // Weights take 0.8 MB and a checkpoint 1.6.
      const { code, output } = flybrick("train", ...options, "--checkpoint-every", "7", "--out", run);
      expect(code).toBe(1);
      expect(output).toContain("cannot be written, because the disk is full: choose another place.");
      expect(output + readdirSync(run, { recursive: true })).not.toMatch(/\n\s+at |\.tmp|\.lock/);
      execFileSync("mount", ["-o", "remount,size=16m", disk]);
      expect(flybrick("train", "--resume", run, "--json").code).toBe(0);
      expect(weights(run).equals(weights(join(work, "whole")))).toBe(true);
    });

    test("that may not be written while a run is unfinished is told of, with what to do", () => {
      const unfinished = join(disk, "unfinished");
      mkdirSync(unfinished);
      cpSync(join(run, "config.json"), join(unfinished, "config.json"));
      execFileSync("mount", ["-o", "remount,ro", disk]);
      try {
        expect(flybrick("train", "--resume", unfinished).output).toContain(
          `${unfinished} cannot be written, because the file system is read-only: make it writable, or go on with a copy`,
        );
      } finally {
        execFileSync("mount", ["-o", "remount,rw", disk]);
        rmSync(unfinished, { recursive: true });
      }
    });

    test("that may not be written any more is told of, and the run stays as it is", () => {
      const before = readdirSync(run, { recursive: true }).sort();
      execFileSync("mount", ["-o", "remount,ro", disk]);
      try {
        const { code, output } = flybrick("train", ...options, "--out", join(disk, "new"));
        expect(code).toBe(1);
        expect(output).toContain("cannot be made a run directory, because the file system is read-only");
        // A finished run still says so, and can still be looked at.
        expect(flybrick("train", "--resume", run).code).toBe(0);
        expect(flybrick("runs", disk).code).toBe(0);
        expect(flybrick("report", run).output).toContain(
          "report.html cannot be written, because the file system is read-only: choose another --out.",
        );
        expect(flybrick("report", run, "--out", join(work, "report")).code).toBe(0);
      } finally {
        execFileSync("mount", ["-o", "remount,rw", disk]);
      }
      expect(readdirSync(run, { recursive: true }).sort()).toEqual(before);
    });

    test("that is full from the start leaves no run behind", () => {
      rmSync(run, { recursive: true });
      // All but the last block.
      execFileSync("mount", ["-o", "remount,size=1m", disk]);
      writeFileSync(join(disk, "ballast"), new Uint8Array(2 ** 20 - 40_000));
      const { code, output } = flybrick("train", ...options, "--out", run);
      expect(code).toBe(1);
      expect(output).toContain("cannot be written, because the disk is full: choose another place.");
      const left = readdirSync(disk, { recursive: true }) as string[];
      expect(left.filter((name) => /\.(tmp|lock)$/.test(name))).toEqual([]);
    });
  });
