import { readFile } from "node:fs/promises";
import { UserError } from "../core/errors.js";
import { atomicWrite } from "../train/atomic_write.js";

/** What a file of results holds, and whether it was there before. */
export interface Kept<T> {
  readonly result: T;
  readonly isKept: boolean;
}

/**
 * The result in a JSON file, or a new one, written there. `conditionsOf` says under what a kept one was made. Throws a
 * UserError where the file is damaged, or where that differs from `conditions`.
 */
export async function keptOrMade<T>(
  path: string,
  conditions: object,
  conditionsOf: (kept: T) => object,
  make: () => Promise<T>,
): Promise<Kept<T>> {
  const kept = await readKept<T>(path);
  if (kept === undefined) {
    const result = await make();
    await atomicWrite(path, `${JSON.stringify(result)}\n`);
    return { result, isKept: false };
  }
  const now = conditions as Readonly<Record<string, unknown>>;
  const differing = Object.entries(conditionsOf(kept)).find(
    ([key, value]) => JSON.stringify(now[key]) !== JSON.stringify(value),
  );
  if (differing) {
    const [name, value] = differing.map((part) => (typeof part === "string" ? part : JSON.stringify(part)));
    throw new UserError(
      `${path} was run with ${name} ${value}, but now it is ${JSON.stringify(now[name!])}: choose another --out, or delete it.`,
    );
  }
  return { result: kept, isKept: true };
}

/** A name of letters, digits and underscores. */
export function fileName(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "_")
    .replaceAll(/^_|_$/g, "");
}

async function readKept<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new UserError(`${path} is damaged: delete it, and it will be run again.`, { cause: error });
  }
}
