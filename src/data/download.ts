import { createHash } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { errorCode } from "../core/errors.js";
import type { DownloadProgress } from "./image_set.js";

export interface DownloadOptions {
  md5: string;
  file: string;
  onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

// Two homes that swallow packets cost ten seconds before an offline machine goes on without them.
const answerTimeout = 5_000;
const stallTimeout = 10_000;
const maximumSize = 64 * 2 ** 20;
const attempts = 4;

/**
 * Downloads `options.file` below one of `homes` to `target`. What arrived is kept in `target.part`, and
 * the next try, of this or a later process, goes on from there. `target` appears only once its checksum
 * is right. A home that does not answer is removed from `homes`. Throws the last Error if none delivers.
 */
export async function download(homes: string[], target: string, options: DownloadOptions): Promise<void> {
  const part = `${target}.part`;
  await mkdir(dirname(target), { recursive: true });
  let failure = new Error("no home of the data set answers");
  for (let attempt = 0; attempt < attempts && homes.length > 0; attempt++) {
    const home = homes.shift()!;
    try {
      await receive(new URL(options.file, home), part, options);
      await verify(part, options);
      await rename(part, target);
      homes.unshift(home);
      return;
    } catch (error) {
      failure = error as Error;
      if (!(failure instanceof NoAnswer)) homes.push(home);
    }
  }
  throw failure;
}

/** The home cannot be reached or has no such file: trying it again is a waste of time. */
class NoAnswer extends Error {}

async function receive(url: URL, part: string, { file, onProgress }: DownloadOptions): Promise<void> {
  const start = await sizeOf(part);
  const abort = new AbortController();
  const giveUp = (time: number) =>
    setTimeout(() => abort.abort(new Error(`${url.host} is silent for ${time / 1000} s`)), time);
  let timer = giveUp(answerTimeout);
  try {
    // The files are gzipped already; a second encoding would be undone by fetch and break the checksum.
    const headers: Record<string, string> = { "accept-encoding": "identity" };
    if (start > 0) headers.range = `bytes=${start}-`;
    const response = await fetch(url, { headers, signal: abort.signal }).catch((error: Error) => {
      throw new NoAnswer(
        ((error.cause as Error | undefined) ?? error).message || `${url.host} does not answer`,
      );
    });
    if (response.status === 416) return; // nothing is left to send: the checksum decides
    if (!response.ok || response.body === null) {
      abort.abort();
      throw new NoAnswer(`${url.host} answers ${response.status} ${response.statusText}`.trim());
    }
    const resumed = response.status === 206;
    let received = resumed ? start : 0;
    const left = Number(response.headers.get("content-length") ?? Number.NaN);
    const total = Number.isNaN(left) ? undefined : received + left;
    const output = await open(part, resumed ? "a" : "w");
    try {
      for await (const chunk of response.body) {
        clearTimeout(timer);
        timer = giveUp(stallTimeout);
        received += chunk.length;
        if (received > maximumSize) throw new Error(`${url} sends more than ${maximumSize} bytes`);
        await output.write(chunk);
        onProgress?.({ file, received, total });
      }
      await output.sync();
    } finally {
      await output.close();
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Throws, and removes the file so that the next try begins afresh, if its checksum is wrong. */
async function verify(part: string, { file, md5 }: DownloadOptions): Promise<void> {
  const found = createHash("md5")
    .update(await readFile(part))
    .digest("hex");
  if (found === md5) return;
  await rm(part, { force: true });
  throw new Error(`${file} arrived with the checksum ${found} instead of ${md5}`);
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return 0;
    throw error;
  }
}
