import { existsSync } from "node:fs";
import { open, readdir, readFile, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { atomicWrite, makeDirectory, removeTemporaries } from "../core/atomic_write.js";
import { shellCommand } from "../core/command_line.js";
import { errorCode, fileProblem, UserError } from "../core/errors.js";
import { DirectoryLock, isLockFile } from "./lock.js";

/** One JSON object, as a run's configuration or a line of its metrics. */
export type JsonRecord = Record<string, unknown>;

const configFile = "config.json";
const metricsFile = "metrics.jsonl";
const checkpointDirectory = "checkpoints";

/**
 * The directory of one training run: `config.json` (what makes a directory a run), `metrics.jsonl`
 * (a line an epoch), `checkpoints/` and whatever `writeFile` adds. Files are whole or absent, never half-written.
 * Whoever writes holds its lock, from `create` or `resume` to `close`.
 */
export class RunDirectory {
  private metricsAreWhole = false;

  private constructor(
    readonly path: string,
    readonly config: Readonly<JsonRecord>,
    private readonly lock?: DirectoryLock,
    /** Whether the directory itself is this run's making. */
    private readonly isNew = false,
  ) {}

  /** Where `train()` keeps its checkpoints. */
  get checkpoints(): string {
    return join(this.path, checkpointDirectory);
  }

  async hasCheckpoints(): Promise<boolean> {
    return (await entriesOf(this.checkpoints)).length > 0;
  }

  /**
   * Begins a run in a new or empty directory; one that failed before it kept anything counts as empty. Throws a
   * UserError if the directory cannot be written, is in use, or holds a run or anything else.
   */
  static async create(path: string, config: JsonRecord): Promise<RunDirectory> {
    let isNew: boolean;
    try {
      isNew = await makeDirectory(path);
    } catch (error) {
      const problem = errorCode(error) === "EEXIST" ? "a file of that name exists" : fileProblem(error);
      throw new UserError(
        `${path} cannot be made a run directory, because ${problem}: choose another --out.`,
      );
    }
    let lock: DirectoryLock | undefined;
    try {
      lock = await DirectoryLock.acquire(path, "choose another --out");
      await removeTemporaries(path);
      const entries = await entriesOf(path);
      const [other] = entries.filter((name) => name !== configFile && name !== checkpointDirectory);
      const hasCheckpoints = (await entriesOf(join(path, checkpointDirectory))).length > 0;
      if (entries.includes(configFile) && (other || hasCheckpoints)) {
        throw new UserError(
          `${path} already holds a run: choose another --out, go on with it by \`${shellCommand("train", "--resume", path)}\`, or delete it first.`,
        );
      }
      if (other || hasCheckpoints) {
        throw new UserError(
          `${path} is not empty and holds no run (it has ${other ?? checkpointDirectory}): choose another --out, a new directory.`,
        );
      }
      const run = new RunDirectory(path, config, lock, isNew);
      await run.writeFile(configFile, `${JSON.stringify(config, null, 2)}\n`);
      return run;
    } catch (error) {
      await lock?.release();
      if (isNew) await rmdir(path).catch(() => {});
      throw error;
    }
  }

  /** Opens a run to go on with it. Throws a UserError if `path` holds none, or is in use. */
  static async resume(path: string): Promise<RunDirectory> {
    const { config } = await RunDirectory.open(path);
    const lock = await DirectoryLock.acquire(path, "make it writable, or go on with a copy of it elsewhere");
    await removeTemporaries(path);
    return new RunDirectory(path, config, lock);
  }

  /** Gives the directory back. A run that kept nothing but its configuration leaves no trace. */
  async close(): Promise<void> {
    await rmdir(this.checkpoints).catch(() => {});
    const [first, ...more] = await entriesOf(this.path);
    const isEmpty = first === configFile && more.length === 0;
    if (isEmpty) await rm(join(this.path, configFile), { force: true });
    await this.lock?.release();
    if (isEmpty && this.isNew) await rmdir(this.path).catch(() => {});
  }

  /** Opens a run that `create` began, to read it. Throws a UserError if `path` holds none or its config is damaged. */
  static async open(path: string): Promise<RunDirectory> {
    let text: string;
    try {
      text = await readFile(join(path, configFile), "utf8");
    } catch (error) {
      throw new UserError(
        `${path} is not a run, because its ${configFile} cannot be read (${fileProblem(error)}): ` +
          "name a directory that `npx flybrick train` wrote.",
      );
    }
    const config = parseRecord(text);
    if (config === undefined) {
      throw new UserError(`${join(path, configFile)} is not a JSON object: restore it, or train again.`);
    }
    return new RunDirectory(path, config);
  }

  /** Appends a line to `metrics.jsonl`; it is on the disk when the promise resolves. */
  async appendMetrics(record: JsonRecord): Promise<void> {
    const path = join(this.path, metricsFile);
    try {
      const file = await open(path, "a+");
      try {
        if (!this.metricsAreWhole) {
          // A line that a crash cut short would swallow the one that follows.
          const content = await file.readFile();
          await file.truncate(content.lastIndexOf("\n") + 1);
          this.metricsAreWhole = true;
        }
        await file.appendFile(`${JSON.stringify(record)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      // A full disk may have taken a part of the line.
      this.metricsAreWhole = false;
      throw new UserError(`${path} cannot be written, because ${fileProblem(error)}: choose another --out.`, {
        cause: error,
      });
    }
  }

  /** Cuts `metrics.jsonl` to its first `count` lines: what came after a checkpoint did not happen. */
  async keepMetrics(count: number): Promise<void> {
    const records = await this.readMetrics();
    if (records.length < count) {
      throw new UserError(
        `${join(this.path, metricsFile)} has ${records.length} lines, but ${count} epochs are finished: restore it, or train anew.`,
      );
    }
    const lines = records.slice(0, count).map((record) => `${JSON.stringify(record)}\n`);
    if (records.length > count) await this.writeFile(metricsFile, lines.join(""));
  }

  /** The lines of `metrics.jsonl`, none if there is no such file; a last line cut short is left out. */
  async readMetrics(): Promise<JsonRecord[]> {
    const path = join(this.path, metricsFile);
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      if (errorCode(error) === "ENOENT") return [];
      throw new UserError(`${path} cannot be read, because ${fileProblem(error)}: check its permissions.`);
    }
    const lines = text.split("\n").slice(0, -1);
    return lines.map((line, index) => {
      const record = parseRecord(line);
      if (record === undefined) {
        throw new UserError(`Line ${index + 1} of ${path} is not a JSON object: delete that line.`);
      }
      return record;
    });
  }

  /** Writes a file of the run, whole or not at all. Throws a UserError if it cannot be written. */
  async writeFile(name: string, content: Uint8Array | string): Promise<void> {
    await atomicWrite(join(this.path, name), content);
  }

  /** Reads a file of the run. Throws a UserError if it cannot be read. */
  async readFile(name: string): Promise<Uint8Array> {
    const path = join(this.path, name);
    try {
      return new Uint8Array(await readFile(path));
    } catch (error) {
      throw new UserError(`${path} cannot be read, because ${fileProblem(error)}: is the run complete?`);
    }
  }
}

/** The first of base/name, base/name-2, base/name-3, ... that does not exist. */
export function nextRunDirectory(base = "runs", name = "run"): string {
  for (let number = 1; ; number++) {
    const path = join(base, number === 1 ? name : `${name}-${number}`);
    if (!existsSync(path)) return path;
  }
}

/** What a directory holds beside locks; nothing where there is none. */
async function entriesOf(path: string): Promise<string[]> {
  const names = await readdir(path).catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return [];
    throw new UserError(`${path} cannot be read, because ${fileProblem(error)}: choose another --out.`);
  });
  return names.filter((name) => !isLockFile(name));
}

function parseRecord(text: string): JsonRecord | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as JsonRecord)
      : undefined;
  } catch {
    return undefined;
  }
}
