import { UserError } from "../core/errors.js";
import { maximumIdxBytes, parseIdx } from "./idx.js";
import {
  type DownloadProgress,
  type FileName,
  factsOf,
  fileNames,
  type ImageSet,
  type ImageSetName,
  readImageSet,
} from "./image_set.js";

/** Where a page has the four files of a data set from, gzipped or plain. */
export type WebSource =
  | {
      /** A folder of a server, relative to the page (in a worker, to its script); files are asked for with the ending `.gz`. */
      readonly url: string | URL;
      /** Called while a file is downloaded. */
      readonly onProgress?: (progress: DownloadProgress) => void;
    }
  | {
      /** Files by their published names, with or without `.gz`, such as those of a file input. */
      readonly files: Iterable<File>;
    };

/** Loads Fashion-MNIST or MNIST. Throws a UserError if a file is missing, damaged, or disagrees with its companion. */
export async function loadImageSet(options: { readonly name: ImageSetName } & WebSource): Promise<ImageSet> {
  const facts = factsOf(options.name);
  if ("files" in options) return readImageSet(facts, fromFiles([...options.files]), "from files of your own");
  const { url, onProgress } = options;
  const folder = new URL(new Request(`${url}`.replace(/\/*$/, "/")).url);
  return readImageSet(facts, fromFolder(folder, onProgress), `from ${folder}`);
}

function fromFiles(files: readonly File[]) {
  return async (file: FileName) => {
    const found = files.find(({ name }) => name === file || name === `${file}.gz`);
    if (!found)
      throw new UserError(
        `${file} (with or without .gz) is not among the ${files.length} files: choose all of ${fileNames.join(", ")}.`,
      );
    return readIdx(found.name, found.stream());
  };
}

function fromFolder(folder: URL, onProgress?: (progress: DownloadProgress) => void) {
  return async (name: FileName) => {
    const url = new URL(`${name}.gz`, folder);
    const response = await fetch(url).catch((error: unknown) => {
      throw new UserError(`${url} cannot be loaded (${(error as Error).message}): check the connection.`);
    });
    if (!response.ok || !response.body)
      throw new UserError(
        `${url} cannot be loaded: the server answers ${response.status}; check the folder.`,
      );
    const length = response.headers.get("content-length");
    // Where the server encodes anew, its length is not that of the bytes that arrive here.
    const total = length === null || response.headers.has("content-encoding") ? undefined : Number(length);
    let received = 0;
    const counted = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        received += chunk.length;
        onProgress?.({ file: `${name}.gz`, received, total });
        controller.enqueue(chunk);
      },
    });
    return readIdx(`${url}`, response.body.pipeThrough(counted));
  };
}

/** An IDX file, gzip being told by its first bytes, since servers and browsers undo it as they like. */
async function readIdx(name: string, stream: ReadableStream<Uint8Array>) {
  let bytes = await collect(name, stream);
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    const unzipped = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    bytes = await collect(name, unzipped);
  }
  return { name, array: parseIdx(bytes, name) };
}

async function collect(name: string, stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      length += next.value.length;
      if (length > maximumIdxBytes) {
        await reader.cancel();
        throw new UserError(`${name} has more than ${maximumIdxBytes} bytes: use the data set's own file.`);
      }
      chunks.push(next.value);
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${name} cannot be read to its end (${(error as Error).message}): get it again.`);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
