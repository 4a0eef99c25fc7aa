// Builds the native addon with one compiler and no build system: generates the interpreter's instructions from
// the scalar table, compiles what changed, links build/flybrick.node and copies it to prebuilt/ for packing.
// With --lab also the programs of lab/, each with those of the addon's objects that it lacks: build/lab/.
import { copyFile, mkdir, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { compile, generate, isOlder, root, run, sourcesIn, twoAtATime } from "./native_build.js";

const compiler = process.env.CXX || "g++";
const withLab = process.argv.includes("--lab");
// The machine that the compiler builds for; another's addon goes to build/, and is not packed.
const arch = process.env.FLYBRICK_ARCH || process.arch;
const isForeign = arch !== process.arch;
const build = isForeign ? join("build", arch) : "build";
const without = "WebAssembly does its work, more slowly";

const common = [
  "-std=c++17",
  "-O3",
  "-fPIC",
  "-pthread",
  "-fwrapv",
  "-ffp-contract=fast",
  "-fno-exceptions",
  "-fno-math-errno",
  "-fno-trapping-math",
  "-fvisibility=hidden",
  "-Wall",
  "-Wno-psabi",
  "-Wno-parentheses",
  "-Wno-maybe-uninitialized",
];
const bySuffix = {
  _avx512: ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mprefer-vector-width=512"],
  _avx2: ["-mavx2", "-mfma"],
};
const suffixOf = (source) => Object.keys(bySuffix).find((one) => source.endsWith(`${one}.cc`));

function flagsOf(source) {
  const { include_dir: headers } = createRequire(import.meta.url)("node-api-headers");
  return [...common, ...(bySuffix[suffixOf(source)] ?? []), `-I${headers}`];
}

/** The addon's: without WebAssembly's entry, and on other machines without x86's instruction sets. */
async function addonSources() {
  return (await sourcesIn("native")).filter(
    (source) => basename(source) !== "wasm.cc" && (arch === "x64" || suffixOf(source) === undefined),
  );
}

async function main() {
  if (process.platform !== "linux" || (arch !== "x64" && arch !== "arm64")) {
    console.log(`flybrick: no native addon for ${process.platform}-${arch} yet; ${without}.`);
    return;
  }
  try {
    await run(compiler, ["--version"]);
  } catch {
    console.log(
      `flybrick: no C++ compiler (${compiler}), so no native addon; ${without}. To have it, install one (apt-get install g++) and run npm run build:addon.`,
    );
    return;
  }
  await generate();
  await mkdir(join(root, build), { recursive: true });
  const objects = await twoAtATime(await addonSources(), (source) =>
    compile(compiler, flagsOf(source), source, build),
  );
  const addon = join(build, "flybrick.node");
  const packed = join("prebuilt", `${process.platform}-${arch}`, "flybrick.node");
  // A build that was broken off leaves new objects and an old addon.
  if (await isOlder(addon, objects)) {
    await run(compiler, ["-shared", "-pthread", "-s", "-o", `${addon}.new`, ...objects]);
    // A rename leaves processes that have the old file mapped alone.
    await rename(join(root, `${addon}.new`), join(root, addon));
  }
  if (!isForeign && (await isOlder(packed, [addon]))) {
    await mkdir(join(root, dirname(packed)), { recursive: true });
    await copyFile(join(root, addon), join(root, `${packed}.new`));
    await rename(join(root, `${packed}.new`), join(root, packed));
  }
  if (withLab) await buildLab(objects);
}

/** From an archive the linker takes only what a program refers to and does not define itself: not its Pool, say. */
async function buildLab(objects) {
  const target = join(build, "lab");
  const archive = join(target, "native.a");
  await mkdir(join(root, target), { recursive: true });
  await rm(join(root, archive), { force: true });
  await run("ar", ["rcs", archive, ...objects]);
  await twoAtATime(await sourcesIn("lab"), async (source) => {
    const object = await compile(compiler, flagsOf(source), source, target);
    await run(compiler, [object, archive, "-pthread", "-o", object.replace(/\.o$/, "")]);
  });
}

try {
  await main();
} catch (error) {
  console.log(String(error.stderr || error.message || error).slice(0, 8000));
  console.log(
    `flybrick: the native addon did not build with ${compiler}, so ${without}; a recent g++ helps (apt-get install g++), then npm run build:addon.`,
  );
  if (withLab) process.exitCode = 1;
}
