import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { keepAtExit, removeAtExit } from "../core/atomic_write.js";
import { errorCode, fileProblem, UserError } from "../core/errors.js";

/** Who uses a directory: the file `<pid>[-<start>]@<host>.lock` in it says so. */
export interface LockHolder {
  readonly file: string;
  readonly pid: number;
  /** When the process started, where the system tells: a later one may have the same number. */
  readonly start: string;
  readonly host: string;
}

const attempts = 3;
const ownHost = hostname().replaceAll(/[^\w.-]/g, "_");

/** One process at a time may write into a directory. */
export class DirectoryLock {
  private constructor(private readonly path: string) {}

  /**
   * Takes an existing directory; what dead processes left is removed. A process adds its own file before it looks for
   * others, so two that come at once may both be refused, but never both let in. Throws a UserError that names
   * the process that has it, or says why no file can be made there and what to do, `remedy`.
   */
  static async acquire(directory: string, remedy = "choose another place"): Promise<DirectoryLock> {
    const start = await startOf(process.pid);
    const file = `${process.pid}${start && `-${start}`}@${ownHost}.lock`;
    const lock = new DirectoryLock(join(directory, file));
    for (let attempt = 1; ; attempt++) {
      await lock.make(directory, remedy);
      const holders = await lockHolders(directory);
      const other = holders.find((holder) => holder.file !== file);
      if (!other) return lock;
      await lock.release();
      if (attempt === attempts) throw inUse(directory, other);
      await sleep(20 + 100 * Math.random());
    }
  }

  /** Gives the directory back; safe to call twice. */
  async release(): Promise<void> {
    await rm(this.path, { force: true }).catch(() => {});
    keepAtExit(this.path);
  }

  private async make(directory: string, remedy: string): Promise<void> {
    try {
      await writeFile(this.path, "", { flag: "wx" });
      removeAtExit(this.path);
    } catch (error) {
      if (errorCode(error) === "EEXIST")
        throw new UserError(`${directory} is in use by this process already: wait until that has ended.`);
      throw new UserError(`${directory} cannot be written, because ${fileProblem(error)}: ${remedy}.`);
    }
  }
}

/** Processes that use a directory, as far as this machine can tell; removes the files of those that have died. */
export async function lockHolders(directory: string): Promise<LockHolder[]> {
  const names = await readdir(directory);
  const alive: LockHolder[] = [];
  for (const file of names) {
    const parts = /^(\d+)(?:-([\w-]+))?@(.+)\.lock$/.exec(file);
    if (!parts) continue;
    const [, pid, start = "", host] = parts as unknown as [string, string, string | undefined, string];
    const holder = { file, pid: Number(pid), start, host };
    if (await isAlive(holder)) alive.push(holder);
    else await rm(join(directory, file), { force: true }).catch(() => {});
  }
  return alive;
}

/** Whether a directory's entry is a lock. */
export function isLockFile(name: string): boolean {
  return /^\d+.*@.+\.lock$/.test(name);
}

async function isAlive({ pid, start, host }: LockHolder): Promise<boolean> {
  // Nothing can be told of another machine's processes.
  if (host !== ownHost) return true;
  if (start) return (await startOf(pid)) === start;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) !== "ESRCH";
  }
}

/** Boot and clock tick at which a process started; empty where the system does not tell, or there is none. */
async function startOf(pid: number): Promise<string> {
  try {
    const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8");
    const status = await readFile(`/proc/${pid}/stat`, "utf8");
    // The second field is the command, in brackets and with any character; the start is the 22nd.
    const fields = status.slice(status.lastIndexOf(")") + 2).split(" ");
    const isZombie = fields[0] === "Z";
    return isZombie ? "" : `${boot.slice(0, 8)}-${fields[19]}`;
  } catch {
    return "";
  }
}

function inUse(directory: string, { pid, host, file }: LockHolder): UserError {
  const remedy =
    host === ownHost
      ? "wait until it ends, or stop it"
      : `wait until it ends, or delete ${file} there if it no longer runs`;
  return new UserError(
    `${directory} is in use by process ${pid}${host === ownHost ? "" : ` on ${host}`}: ${remedy}.`,
  );
}
