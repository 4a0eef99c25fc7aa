import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { errorCode, fileProblem, UserError } from "../core/errors.js";
import type { ImageSetName } from "../data/index.js";
import { Sequential } from "../nn/index.js";
import { manualSeed } from "../ops/random.js";
import { findModel, type ImageShape, type ModelEntry, type PublishedResult } from "./index.js";

/** Whether a model is named by a file, such as ./my-model.ts, and not one of the library's. */
export function isModelFile(name: string): boolean {
  return /[\\/]|\.[cm]?[jt]s$/.test(name);
}

/** What a model is called in paths and titles. */
export function modelTitle(name: string): string {
  return isModelFile(name) ? basename(name, extname(name)) : name;
}

/** What tells whether a model's file is still the same; undefined for the library's models. */
export async function modelChecksum(name: string): Promise<string | undefined> {
  if (!isModelFile(name)) return undefined;
  return createHash("sha256")
    .update(await readModelFile(name))
    .digest("hex");
}

/**
 * A model of the library by its name, or the default export of a user's file: a network, or a function from the input's
 * shape (with a default) to one. `seed` decides the first weights of a network that is made while the file is read. Choose
 * a device before: a file that imports the package else has one opened. Throws a UserError that says what is wrong
 * with the file.
 */
export async function loadModel(name: string, seed = 0): Promise<ModelEntry> {
  if (!isModelFile(name)) return findModel(name);
  await readModelFile(name);
  manualSeed(seed);
  const exported = (await importFile(name)).default;
  const build = (shape?: ImageShape, classes?: number): Sequential => {
    const net: unknown = typeof exported === "function" ? exported(shape, classes) : exported;
    if (!(net instanceof Sequential)) throw notNetwork(name, net);
    if (shape && `${net.inputShape}` !== `${shape}`)
      throw new UserError(
        `${name} makes a network for inputs of [${net.inputShape}], but the images are [${shape}]: change one of them (see --resize).`,
      );
    return net;
  };
  const [, height, width] = build().inputShape;
  if (height === undefined || height !== width)
    throw new UserError(
      `${name} makes a network for inputs of [${build().inputShape}]; give it [channels, size, size].`,
    );
  return { title: modelTitle(name), build, size: height };
}

/** What the book printed for a model on a data set, if it did; models of a user's own have no such result. */
export function publishedResult(model: string, data: ImageSetName): PublishedResult | undefined {
  return data === "fashion-mnist" && !isModelFile(model) ? findModel(model).published : undefined;
}

function notNetwork(name: string, found: unknown): UserError {
  const what =
    found === undefined ? "nothing" : `a ${(found as object | null)?.constructor?.name ?? typeof found}`;
  const other = what === "a Sequential" ? " of another copy of flybrick than the command's" : "";
  return new UserError(
    `${name} has as its default export ${what}${other}; it needs a network of nn.sequential(), or a function that returns one.`,
  );
}

async function readModelFile(name: string): Promise<Uint8Array> {
  return readFile(name).catch((error: unknown) => {
    throw new UserError(
      `${name} cannot be read, because ${fileProblem(error)}: name a file that exports a network.`,
    );
  });
}

/** Imports a file; TypeScript by tsx, which shares this process's modules with it. */
async function importFile(name: string): Promise<{ default?: unknown }> {
  const url = pathToFileURL(resolve(name)).href;
  if (!/\.[cm]?ts$/.test(name)) return import(url);
  const { register } = await import("tsx/esm/api").catch((error: unknown) => {
    throw new UserError(`${name} is TypeScript, which needs the package tsx: npm install tsx.`, {
      cause: error,
    });
  });
  const unregister = register();
  try {
    return await import(url);
  } catch (error) {
    // Its package's, or no package's, .ts files are CommonJS, which cannot read an ES module such as this library.
    if (errorCode(error) !== "ERR_REQUIRE_CYCLE_MODULE") throw error;
    throw new UserError(
      `${name} is taken for CommonJS: give it the ending .mts, or put "type": "module" into the package.json beside it.`,
      { cause: error },
    );
  } finally {
    await unregister();
  }
}
