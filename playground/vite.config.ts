import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The library by its name and its package's own `browser` condition, as an installed copy would be found. */
const library: Plugin = {
  name: "flybrick",
  enforce: "pre",
  resolveId(id) {
    return /^flybrick(\/|$)/.test(id) ? this.resolve(id, join(root, "index.js"), { skipSelf: true }) : null;
  },
};

/** Nothing from elsewhere, nothing written into the page. Vite's development server needs more. */
const policy: Plugin = {
  name: "content-security-policy",
  apply: "build",
  transformIndexHtml: () => [
    {
      tag: "meta",
      attrs: {
        "http-equiv": "Content-Security-Policy",
        content:
          "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'",
      },
      injectTo: "head-prepend",
    },
  ],
};

export default defineConfig({
  // Works below any path of a host.
  base: "./",
  // fashion-mnist/ is the data; it is not bundled.
  publicDir: join(root, "samples"),
  plugins: [library, policy],
  worker: { format: "es", plugins: () => [library] },
  build: { target: "es2022", assetsInlineLimit: 0 },
  server: {
    fs: { allow: [root] },
    // So that WebAssembly may have threads.
    headers: {
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Embedder-Policy": "require-corp",
    },
  },
});
