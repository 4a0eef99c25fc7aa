import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { atomicWrite, makeDirectory } from "../core/atomic_write.js";
import { fileProblem, UserError } from "../core/errors.js";
import type { ImageSet, LabelledImages } from "../data/index.js";
import { currentDevice } from "../tensor/evaluate.js";

/** What every kept result says of itself. */
export interface Kept {
  /** Under what it was made: another result is made only under other conditions. */
  readonly conditions: Conditions;
  readonly device: string;
  /** As in 2026-11-24. */
  readonly date: string;
}

export type Conditions = Readonly<Record<string, unknown>>;

/** Makes the folder of results and those above it. Throws a UserError where that cannot be. */
export async function makeResultsDirectory(path: string): Promise<void> {
  await makeDirectory(path).catch((error: unknown) => {
    throw new UserError(`${path} cannot be made, because ${fileProblem(error)}: choose another --out.`);
  });
}

/** The result in a JSON file, or a new one, written there, and whether it was there before. */
export interface Found<T> {
  readonly result: T & Kept;
  readonly isKept: boolean;
}

/**
 * Takes a result from a JSON file, or makes and writes it. Throws a UserError where the file is damaged, or was made under
 * other conditions.
 */
export async function keptOrMade<T extends object>(
  path: string,
  conditions: Conditions,
  make: () => Promise<T>,
): Promise<Found<T>> {
  const kept = await readKept<T>(path);
  if (kept === undefined) {
    const made = await make();
    const result = { ...made, conditions, device: currentDevice().description, date: today() };
    await atomicWrite(path, `${JSON.stringify(result)}\n`);
    return { result, isKept: false };
  }
  const name = differenceOf(kept.conditions, conditions);
  if (name !== undefined) {
    const shown = (value: unknown): string => (value === undefined ? "left out" : JSON.stringify(value));
    throw new UserError(
      `${path} was run with ${name} ${shown(kept.conditions[name])}, but now it is ${shown(conditions[name])}: choose another --out, or delete it.`,
    );
  }
  return { result: kept, isKept: true };
}

/** The result in a JSON file, where there is one that was made under these conditions. */
export async function keptUnder<T extends object>(
  path: string,
  conditions: Conditions,
): Promise<(T & Kept) | undefined> {
  const kept = await readKept<T>(path);
  return kept && differenceOf(kept.conditions, conditions) === undefined ? kept : undefined;
}

/** On what and when results were made, each device and day once. */
export function provenanceOf(results: readonly Kept[]): { device: string; date: string } {
  const distinct = (values: readonly string[]): string => [...new Set(values)].sort().join("; ");
  return {
    device: distinct(results.map(({ device }) => device)),
    date: distinct(results.map(({ date }) => date)),
  };
}

/** A few digits that tell one data set from another. */
export function digestOf({ train, test }: Pick<ImageSet, "train" | "test">): string {
  const hash = createHash("sha256");
  for (const { images, labels, count, height, width } of [train, test] as LabelledImages[])
    hash
      .update(JSON.stringify([count, height, width]))
      .update(images)
      .update(labels);
  return shortened(hash.digest("hex"));
}

/** A few digits that tell one set of conditions from another. */
export function conditionsDigest(conditions: Conditions): string {
  return shortened(createHash("sha256").update(JSON.stringify(conditions)).digest("hex"));
}

/** A name of letters, digits and underscores. */
export function fileName(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "_")
    .replaceAll(/^_|_$/g, "");
}

function shortened(digest: string): string {
  return digest.slice(0, 12);
}

/** The first condition that is not the same. */
function differenceOf(kept: Conditions, now: Conditions): string | undefined {
  const names = new Set([...Object.keys(kept), ...Object.keys(now)]);
  return [...names].find((name) => JSON.stringify(kept[name]) !== JSON.stringify(now[name]));
}

async function readKept<T extends object>(path: string): Promise<(T & Kept) | undefined> {
  let kept: T & Kept;
  try {
    kept = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new UserError(`${path} is damaged: delete it, and it will be run again.`, { cause: error });
  }
  if (typeof kept?.conditions !== "object" || kept.conditions === null)
    throw new UserError(`${path} is no result of this version: delete it, and it will be run again.`);
  return kept;
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}
