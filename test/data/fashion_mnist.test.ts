import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { UserError } from "../../src/core/errors.js";
import { loadFrom, loadImageSet, type Origin, origins } from "../../src/data/fashion_mnist.js";
import { encodeIdx } from "../../src/data/idx.js";
import type { DownloadProgress, ImageSetName } from "../../src/data/image_set.js";

type Files = Record<string, Uint8Array>;

/** The four files of a set of 3 + 2 images of 2 x 2 pixels. */
function smallSet(): Files {
  const images = (count: number) =>
    encodeIdx({ shape: [count, 2, 2], data: new Uint8Array(4 * count).fill(9) });
  const labels = (...values: number[]) =>
    encodeIdx({ shape: [values.length], data: Uint8Array.from(values) });
  return {
    "train-images-idx3-ubyte": images(3),
    "train-labels-idx1-ubyte": labels(0, 9, 4),
    "t10k-images-idx3-ubyte": images(2),
    "t10k-labels-idx1-ubyte": labels(1, 2),
  };
}

let directory: string;
let cache: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flybrick-data-"));
  vi.stubEnv("XDG_CACHE_HOME", join(directory, "cache"));
  cache = join(directory, "cache", "flybrick", "fashion-mnist");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true });
});

async function put(files: Files, where = directory): Promise<string> {
  await mkdir(where, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(where, name), bytes);
  return where;
}

const name = "fashion-mnist";

describe("the sample", () => {
  it("holds 600 and 100 images of each class, and says that it is a sample", async () => {
    const { train, test, classNames, isSample, source } = await loadImageSet({ name, sample: true });
    expect([train.count, train.height, train.width, train.channels]).toEqual([6000, 28, 28, 1]);
    expect([test.count, test.height, test.width, test.channels]).toEqual([1000, 28, 28, 1]);
    for (const [part, perClass] of [[train, 600] as const, [test, 100] as const]) {
      const counts = new Array<number>(10).fill(0);
      for (const label of part.labels) counts[label]!++;
      expect(counts).toEqual(new Array(10).fill(perClass));
      expect(part.images.length).toBe(part.count * 28 * 28);
    }
    expect(classNames).toHaveLength(10);
    expect(isSample).toBe(true);
    expect(source).toBe(
      "Fashion-MNIST, 6,000 training and 1,000 test images, the sample that ships with Flybrick.",
    );
    // The book's first training images: an ankle boot, t-shirts, a dress.
    expect([...train.labels.subarray(0, 6)]).toEqual([9, 0, 0, 3, 0, 2]);
  });

  it("does not exist for MNIST", async () => {
    await expect(loadImageSet({ name: "mnist", sample: true })).rejects.toThrow("No sample of MNIST ships");
  });
});

describe("a directory of the user", () => {
  it("may hold plain or gzipped files of any size", async () => {
    const files = smallSet();
    const labels = files["train-labels-idx1-ubyte"]!;
    delete files["train-labels-idx1-ubyte"];
    await put({ ...files, "train-labels-idx1-ubyte.gz": gzipSync(labels) });
    const { train, test, isSample, source } = await loadImageSet({ name: "mnist", directory });
    expect([train.count, train.height, train.width]).toEqual([3, 2, 2]);
    expect([...train.labels]).toEqual([0, 9, 4]);
    expect(test.count).toBe(2);
    expect(isSample).toBe(false);
    expect(source).toBe(`MNIST, 3 training and 2 test images, from ${directory}.`);
  });

  const refuses = async (changes: Files, message: string) => {
    await put({ ...smallSet(), ...changes });
    const loading = loadImageSet({ name, directory });
    await expect(loading).rejects.toThrow(UserError);
    await expect(loading).rejects.toThrow(message);
  };
  const imagesOf = (...shape: number[]) =>
    encodeIdx({ shape, data: new Uint8Array(shape.reduce((product, size) => product * size)) });

  it("must hold all four", async () => {
    const files = smallSet();
    delete files["t10k-labels-idx1-ubyte"];
    delete files["train-images-idx3-ubyte"];
    await put(files);
    await expect(loadImageSet({ name, directory })).rejects.toThrow(
      `The directory ${directory} lacks train-images-idx3-ubyte, t10k-labels-idx1-ubyte (with or without .gz)`,
    );
  });

  it("must hold labels up to 9", () =>
    refuses(
      { "train-labels-idx1-ubyte": encodeIdx({ shape: [3], data: Uint8Array.of(1, 10, 200) }) },
      "train-labels-idx1-ubyte has the label 10 at index 1, above 9",
    ));

  it("must hold a label for each image", () =>
    refuses({ "t10k-images-idx3-ubyte": imagesOf(4, 2, 2) }, "holds 4 images but"));

  it("must hold images where images belong", () =>
    refuses({ "t10k-images-idx3-ubyte": imagesOf(2) }, "t10k-images-idx3-ubyte has the shape [2], not"));

  it("must hold labels where labels belong", () =>
    refuses(
      { "t10k-labels-idx1-ubyte": imagesOf(2, 2, 2) },
      "t10k-labels-idx1-ubyte has the shape [2, 2, 2]",
    ));

  it("must hold at least one image", () =>
    refuses({ "train-images-idx3-ubyte": imagesOf(0, 2, 2) }, "has the shape [0, 2, 2], not"));

  it("must hold test images of the training images' size", () =>
    refuses({ "t10k-images-idx3-ubyte": imagesOf(2, 3, 2) }, "images of 2 x 2 pixels but"));
});

it("names the data sets when it is asked for another", async () => {
  const unknown = { name: "toString" as ImageSetName };
  await expect(loadImageSet(unknown)).rejects.toThrow(
    'There is no data set called "toString": choose fashion-mnist or mnist.',
  );
});

describe("the order of sources", () => {
  const nowhere: Partial<Origin> = { systemDirectory: "/nonexistent", homes: [] };
  let server: Server | undefined;
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
    server = undefined;
  });

  /** An origin with the small set on a local server, which counts the requests it gets. */
  async function serve(
    change: (path: string, bytes: Uint8Array) => Uint8Array = (_, bytes) => bytes,
  ): Promise<{ origin: Origin; requests: string[] }> {
    const requests: string[] = [];
    const files = Object.entries(smallSet()).map(([file, bytes]) => [file, gzipSync(bytes)] as const);
    server = createServer((request, response) => {
      const found = files.find(([file]) => request.url === `/${file}.gz`);
      const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
      requests.push(`${request.url}${start > 0 ? ` from ${start}` : ""}`);
      if (found === undefined) return response.writeHead(404).end();
      if (start >= found[1].length) return response.writeHead(416).end();
      response.writeHead(start > 0 ? 206 : 200, { "content-length": found[1].length - start });
      response.end(change(found[0], found[1]).subarray(start));
    });
    await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
    const home = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const checksums = Object.fromEntries(
      files.map(([file, bytes]) => [file, createHash("md5").update(bytes).digest("hex")]),
    ) as Origin["checksums"];
    return { origin: { ...origins[name], ...nowhere, homes: [home], checksums }, requests };
  }

  it("takes the cache before the system's package, and that before a download", async () => {
    const systemDirectory = await put(smallSet(), join(directory, "system"));
    const origin = { ...origins[name], ...nowhere, systemDirectory };
    expect((await loadFrom(origin, { name })).source).toContain(`from ${systemDirectory}.`);
    await put(smallSet(), cache);
    expect((await loadFrom(origin, { name })).source).toContain(`from ${cache}.`);
  });

  it("takes the sample when nothing else is there, and says why", async () => {
    const origin = { ...origins[name], ...nowhere, homes: ["http://127.0.0.1:1/"] };
    const offline = await loadFrom(origin, { name });
    expect([offline.isSample, offline.train.count]).toEqual([true, 6000]);
    expect(offline.source).toMatch(/the whole set is not on this machine and the download failed \(.+\)\.$/);
    const forbidden = await loadFrom(origin, { name, download: false });
    expect(forbidden.source).toMatch(/and a download was not allowed\.$/);
  });

  it("says what to do when there is no sample either", async () => {
    const origin = { ...origins.mnist, ...nowhere };
    await expect(loadFrom(origin, { name: "mnist" })).rejects.toThrow(
      /^MNIST is neither in .*mnist nor in \/nonexistent, and the download failed .* put its four files/,
    );
  });

  it("downloads into the cache, with progress, once", async () => {
    const { origin, requests } = await serve();
    const seen: DownloadProgress[] = [];
    const options = { name, onProgress: (progress: DownloadProgress) => seen.push(progress) } as const;
    const first = await loadFrom(origin, options);
    expect([first.train.count, first.isSample]).toEqual([3, false]);
    expect(first.source).toContain(`downloaded to ${cache}.`);
    expect(seen[0]).toMatchObject({ file: "train-images-idx3-ubyte.gz", received: seen[0]!.total });
    expect((await readdir(cache)).every((file) => file.endsWith("ubyte.gz"))).toBe(true);
    await loadFrom(origin, options);
    expect(requests).toHaveLength(4);
  });

  it("resumes a download", async () => {
    const { origin, requests } = await serve();
    const whole = gzipSync(smallSet()["train-images-idx3-ubyte"]!);
    await put({ "train-images-idx3-ubyte.gz.part": whole.subarray(0, 10) }, cache);
    await put({ "train-labels-idx1-ubyte.gz.part": gzipSync(smallSet()["train-labels-idx1-ubyte"]!) }, cache);
    expect((await loadFrom(origin, { name })).isSample).toBe(false);
    expect(requests[0]).toBe("/train-images-idx3-ubyte.gz from 10");
    expect(requests).toHaveLength(4);
  });

  it("begins afresh when what was kept does not fit", async () => {
    const { origin, requests } = await serve();
    await put({ "train-images-idx3-ubyte.gz.part": Uint8Array.of(1, 2, 3) }, cache);
    expect((await loadFrom(origin, { name })).isSample).toBe(false);
    expect(requests.slice(0, 2)).toEqual([
      "/train-images-idx3-ubyte.gz from 3",
      "/train-images-idx3-ubyte.gz",
    ]);
  });

  it("never takes a file with a wrong checksum", async () => {
    const { origin, requests } = await serve((_, bytes) =>
      bytes.map((byte, index) => (index === 12 ? ~byte : byte)),
    );
    const set = await loadFrom(origin, { name });
    expect(set.isSample).toBe(true);
    expect(set.source).toContain("train-images-idx3-ubyte.gz arrived with the checksum");
    expect(requests).toHaveLength(4);
    expect(existsSync(join(cache, "train-images-idx3-ubyte.gz"))).toBe(false);
  });

  it("goes on to the next home", async () => {
    const { origin } = await serve();
    const homes = [`${origin.homes[0]}nothing/here/`, "http://127.0.0.1:1/", ...origin.homes];
    expect((await loadFrom({ ...origin, homes }, { name })).isSample).toBe(false);
  });
});
