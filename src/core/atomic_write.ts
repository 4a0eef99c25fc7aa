import { randomBytes } from "node:crypto";
import { closeSync, openSync, rmSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errorCode, fileProblem, UserError } from "./errors.js";

/** Files of this process that must not outlive it, such as those half-written; Node calls no `finally` on `process.exit()`. */
const passing = new Set<string>();
const removePassing = (): void => {
  for (const path of passing) rmSync(path, { force: true });
};

/** Has `path` removed when the process exits, unless `keepAtExit` comes first. */
export function removeAtExit(path: string): void {
  if (passing.size === 0) process.on("exit", removePassing);
  passing.add(path);
}

export function keepAtExit(path: string): void {
  passing.delete(path);
  if (passing.size === 0) process.off("exit", removePassing);
}

/**
 * Writes a file so that `path` holds either what it held before or all of `content`, even if the
 * process or the machine stops meanwhile. Throws a UserError, which ends in `remedy`, if the file cannot be written.
 */
export async function atomicWrite(
  path: string,
  content: Uint8Array | string | AsyncIterable<Uint8Array>,
  remedy = "choose another place",
): Promise<void> {
  // In the same directory, since a rename is atomic only within one file system.
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
  removeAtExit(temporary);
  try {
    // At once: a file still being made in the background when the process exits would come after its removal.
    closeSync(openSync(temporary, "wx"));
    const file = await open(temporary, "r+");
    try {
      await writeFile(file, content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    if (error instanceof UserError) throw error;
    throw new UserError(`${path} cannot be written, because ${fileProblem(error)}: ${remedy}.`, {
      cause: error,
    });
  } finally {
    keepAtExit(temporary);
  }
}

/** Removes what a killed process left half-written in a directory; call it where nobody else may write. */
export async function removeTemporaries(directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  const left = names.filter((name) => /^\..+\.[0-9a-f]{12}\.tmp$/.test(name));
  await Promise.all(left.map((name) => rm(join(directory, name), { force: true })));
}

/** Makes the rename itself durable; not every system can sync a directory, and none needs to. */
async function syncDirectory(path: string): Promise<void> {
  try {
    const directory = await open(path, "r");
    await directory.sync().finally(() => directory.close());
  } catch {}
}

/**
 * Makes a directory and those above it, and tells whether it is new. Node's own recursive mkdir never
 * returns where the system answers "no such directory" for ever, as below /proc.
 */
export async function makeDirectory(path: string): Promise<boolean> {
  for (const parentsExist of [false, true]) {
    try {
      await mkdir(path);
      return true;
    } catch (error) {
      const code = errorCode(error);
      if (code === "EEXIST" && (await stat(path)).isDirectory()) return false;
      if (code !== "ENOENT" || parentsExist || dirname(path) === path) throw error;
      await makeDirectory(dirname(path));
    }
  }
  return false;
}
