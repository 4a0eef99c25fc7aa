import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileProblem, UserError } from "../core/errors.js";

/**
 * Writes a file so that `path` holds either what it held before or all of `content`, even if the
 * process or the machine stops meanwhile. Throws a UserError if the file cannot be written.
 */
export async function atomicWrite(path: string, content: Uint8Array | string): Promise<void> {
  // In the same directory, since a rename is atomic only within one file system.
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new UserError(`${path} cannot be written, because ${fileProblem(error)}: choose another place.`, {
      cause: error,
    });
  }
}

/** Makes the rename itself durable; not every system can sync a directory, and none needs to. */
async function syncDirectory(path: string): Promise<void> {
  try {
    const directory = await open(path, "r");
    await directory.sync().finally(() => directory.close());
  } catch {}
}
