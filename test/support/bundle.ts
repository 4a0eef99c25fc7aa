import { gzipSync } from "node:zlib";
import { build } from "esbuild";

export interface Bundle {
  readonly text: string;
  readonly gzippedBytes: number;
  /** Files whose code is in it, relative to the repository. */
  readonly files: readonly string[];
}

/** An entry file and what it imports as one module for browsers. Throws where something of Node's is imported. */
export async function bundleForBrowser(entry: string): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    minify: true,
    metafile: true,
    write: false,
    logLevel: "silent",
  });
  const [{ text, contents }] = outputFiles as [(typeof outputFiles)[number]];
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
  const files = inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => file);
  return { text, gzippedBytes: gzipSync(contents, { level: 9 }).length, files };
}
