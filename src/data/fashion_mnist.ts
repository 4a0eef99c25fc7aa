import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheDirectory } from "../core/cache_directory.js";
import { fileProblem, UserError } from "../core/errors.js";
import { download } from "./download.js";
import { readIdx } from "./idx_file.js";
import {
  type DownloadProgress,
  type FileName,
  factsOf,
  fileNames,
  type ImageSet,
  type ImageSetFacts,
  type ImageSetName,
  imageSets,
  readImageSet,
} from "./image_set.js";

export interface LoadOptions {
  name: ImageSetName;
  /** Where the four files lie, gzipped or plain; nothing else is tried then. */
  directory?: string | undefined;
  /** Takes the sample that ships with Flybrick at once. */
  sample?: boolean | undefined;
  /** Whether the data set may be downloaded; true unless told. */
  download?: boolean | undefined;
  onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** Where a data set may lie, and how to tell that a download is whole. */
export interface Origin extends ImageSetFacts {
  systemDirectory: string;
  sampleDirectory: string | undefined;
  homes: readonly string[];
  /** MD5 of each gzipped file, as published. */
  checksums: Readonly<Record<FileName, string>>;
}

export const origins: Readonly<Record<ImageSetName, Origin>> = {
  "fashion-mnist": {
    ...imageSets["fashion-mnist"],
    systemDirectory: "/usr/share/datasets/fashion-mnist",
    // The same from src/data/ and from dist/data/.
    sampleDirectory: fileURLToPath(new URL("../../samples/fashion-mnist", import.meta.url)),
    homes: [
      "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
      "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ],
    checksums: {
      "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
      "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
      "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
      "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    },
  },
  mnist: {
    ...imageSets.mnist,
    systemDirectory: "/usr/share/datasets/mnist",
    sampleDirectory: undefined,
    homes: [
      "https://ossci-datasets.s3.amazonaws.com/mnist/",
      "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ],
    checksums: {
      "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
      "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
      "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
      "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
    },
  },
};

/**
 * Loads Fashion-MNIST or MNIST from the first place that has it: the user's directory, our cache, the
 * system's package, the data set's homes, and last, for Fashion-MNIST, the sample in this package.
 * Throws a UserError if there is none, or if a file is damaged or disagrees with its companion.
 */
export async function loadImageSet(options: LoadOptions): Promise<ImageSet> {
  factsOf(options.name);
  return loadFrom(origins[options.name], options);
}

/** `loadImageSet` for any data set in the same four files. */
export async function loadFrom(origin: Origin, options: LoadOptions): Promise<ImageSet> {
  const { title, systemDirectory } = origin;
  if (options.sample === true) return readSample(origin);
  if (options.directory !== undefined) {
    const missing = fileNames.filter((name) => locate(options.directory!, name) === undefined);
    if (missing.length > 0) {
      throw new UserError(
        `The directory ${options.directory} lacks ${missing.join(", ")} (with or without .gz): ` +
          "put the missing files there or name another directory.",
      );
    }
    return readSet(origin, options.directory, `from ${options.directory}`);
  }
  const cache = cacheDirectory(options.name);
  for (const directory of [cache, systemDirectory]) {
    if (isComplete(directory)) return readSet(origin, directory, `from ${directory}`);
  }
  let reason = "a download was not allowed";
  if (options.download !== false) {
    try {
      const homes = [...origin.homes];
      for (const name of fileNames) {
        if (locate(cache, name) !== undefined) continue;
        const file = `${name}.gz`;
        const { onProgress } = options;
        await download(homes, join(cache, file), { file, md5: origin.checksums[name], onProgress });
      }
      return await readSet(origin, cache, `downloaded to ${cache}`);
    } catch (error) {
      if (error instanceof UserError) throw error;
      reason = `the download failed (${fileProblem(error)})`;
    }
  }
  if (origin.sampleDirectory === undefined) {
    throw new UserError(
      `${title} is neither in ${cache} nor in ${systemDirectory}, and ${reason}: ` +
        `put its four files (${fileNames.join(", ")}) into a directory and name that directory.`,
    );
  }
  return readSample(origin, `because the whole set is not on this machine and ${reason}`);
}

function locate(directory: string, name: FileName): string | undefined {
  return [join(directory, `${name}.gz`), join(directory, name)].find((path) => existsSync(path));
}

function isComplete(directory: string): boolean {
  return fileNames.every((name) => locate(directory, name) !== undefined);
}

async function readSample(origin: Origin, why?: string): Promise<ImageSet> {
  if (origin.sampleDirectory === undefined) {
    throw new UserError(`No sample of ${origin.title} ships with Flybrick: load the whole set instead.`);
  }
  if (!isComplete(origin.sampleDirectory)) {
    throw new UserError(`The sample is missing from ${origin.sampleDirectory}: install flybrick again.`);
  }
  const set = await readSet(
    origin,
    origin.sampleDirectory,
    `the sample that ships with Flybrick${why === undefined ? "" : `, ${why}`}`,
  );
  return { ...set, isSample: true };
}

function readSet(origin: Origin, directory: string, whence: string): Promise<ImageSet> {
  const read = async (file: FileName) => {
    const name = locate(directory, file)!;
    return { name, array: await readIdx(name) };
  };
  return readImageSet(origin, read, whence);
}
