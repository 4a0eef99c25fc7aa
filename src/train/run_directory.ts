import { existsSync } from "node:fs";
import { open, readdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, fileProblem, UserError } from "../core/errors.js";
import { atomicWrite, makeDirectory } from "./atomic_write.js";

/** One JSON object, as a run's configuration or a line of its metrics. */
export type JsonRecord = Record<string, unknown>;

const configFile = "config.json";
const metricsFile = "metrics.jsonl";

/**
 * The directory of one training run: `config.json` (what makes a directory a run), `metrics.jsonl`
 * (a line an epoch) and whatever `writeFile` adds. Files are whole or absent, never half-written.
 */
export class RunDirectory {
  private metricsAreWhole = false;

  private constructor(
    readonly path: string,
    readonly config: Readonly<JsonRecord>,
  ) {}

  /**
   * Begins a run in a new or empty directory. Throws a UserError if the directory cannot be written, or
   * holds a run or anything else.
   */
  static async create(path: string, config: JsonRecord): Promise<RunDirectory> {
    let made = false;
    let entries: string[];
    try {
      made = await makeDirectory(path);
      entries = await readdir(path);
    } catch (error) {
      const problem = errorCode(error) === "EEXIST" ? "a file of that name exists" : fileProblem(error);
      throw new UserError(
        `${path} cannot be made a run directory, because ${problem}: choose another --out.`,
      );
    }
    if (entries.includes(configFile)) {
      throw new UserError(`${path} already holds a run: choose another --out, or delete it first.`);
    }
    if (entries.length > 0) {
      throw new UserError(
        `${path} is not empty and holds no run (it has ${entries[0]}): choose another --out, a new directory.`,
      );
    }
    const run = new RunDirectory(path, config);
    try {
      await run.writeFile(configFile, `${JSON.stringify(config, null, 2)}\n`);
    } catch (error) {
      if (made) await rmdir(path).catch(() => {});
      throw error;
    }
    return run;
  }

  /** Opens a run that `create` began. Throws a UserError if `path` holds none or its config is damaged. */
  static async open(path: string): Promise<RunDirectory> {
    let text: string;
    try {
      text = await readFile(join(path, configFile), "utf8");
    } catch (error) {
      throw new UserError(
        `${path} is not a run, because its ${configFile} cannot be read (${fileProblem(error)}): ` +
          "name a directory that `flybrick train` wrote.",
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
      throw new UserError(`${path} cannot be written, because ${fileProblem(error)}: choose another --out.`, {
        cause: error,
      });
    }
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
