import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

const isolation = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

export interface Server {
  /** Without a slash at its end. */
  readonly url: string;
  close(): void;
}

/**
 * Serves an empty page that runs `/page.js`, one of the `scripts` by their paths, and the files below `folders` of the
 * repository. Isolated from other origins, so that WebAssembly may have threads there, but for the page `/plain`.
 */
export async function servePage(
  scripts: Readonly<Record<string, string>>,
  folders: readonly string[],
): Promise<Server> {
  const page =
    '<!doctype html><title>Flybrick</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>';
  return serve(async (path) => {
    if (path === "/" || path === "/plain") return ["text/html", page];
    const script = scripts[path];
    if (script !== undefined) return ["text/javascript", script];
    if (!folders.some((folder) => path.startsWith(`/${folder}/`))) throw new Error(`${path} is not served`);
    return ["application/octet-stream", await readFile(`${root}${path}`)];
  });
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
};

/** Serves a folder of the repository below `path`, as any host of static files does. */
export async function serveFolder(folder: string, path: string): Promise<Server> {
  return serve(async (asked) => {
    if (!asked.startsWith(path)) throw new Error(`${asked} is not served`);
    const name = asked.endsWith("/") ? `${asked}index.html` : asked;
    const file = join(root, folder, name.slice(path.length));
    return [types[extname(file)] ?? "application/octet-stream", await readFile(file)];
  });
}

async function serve(answer: (path: string) => Promise<[string, string | Uint8Array]>): Promise<Server> {
  const server = createServer(async (request, response) => {
    try {
      const { pathname } = new URL(request.url!, "http://localhost");
      const [type, content] = await answer(pathname);
      response.writeHead(200, {
        "content-type": type,
        "content-length": Buffer.byteLength(content),
        // Data may be asked for from another origin.
        "access-control-allow-origin": "*",
        ...(pathname === "/plain" ? {} : isolation),
      });
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}
