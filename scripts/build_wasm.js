// Builds the CPU device's C++ as wasm/flybrick.wasm, which is kept in the repository: nobody needs this compiler to use
// it. With --check it builds without replacing that file and fails where the bytes differ.
// apt-get install clang-19 lld-19 libc++-19-dev-wasm32 libclang-rt-19-dev-wasm32 wasi-libc
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { compile, generate, root, run, sourcesIn, twoAtATime } from "./native_build.js";

const compiler = process.env.CLANG || "clang++-19";
const build = join("build", "wasm");
const kept = join("wasm", "flybrick.wasm");

// Node's entry, and what is for instruction sets of other machines.
const elsewhere = /^(addon|learners|svm|linear_svm|forest|learner_loops_.*)\.cc$|_(avx2|avx512)\.cc$/;

const flags = [
  "--target=wasm32-wasi",
  "-std=c++17",
  "-O3",
  "-msimd128",
  "-matomics",
  "-mbulk-memory",
  "-mnontrapping-fptoint",
  "-ffp-contract=off",
  "-fno-exceptions",
  "-fno-rtti",
  "-fno-threadsafe-statics",
  "-fno-c++-static-destructors",
  "-fno-math-errno",
  "-fno-trapping-math",
  "-fvisibility=hidden",
  "-Wall",
  "-Wno-psabi",
  "-Wno-parentheses",
];

// Only where integers may wrap: elsewhere it keeps offsets out of the instructions that load.
const flagsOf = (source) => (/(lanes|strips)_portable\.cc$/.test(source) ? [...flags, "-fwrapv"] : flags);

const linking = [
  "--no-entry",
  // One memory for all threads, made by JavaScript: 4 GiB at most.
  "--import-memory",
  "--shared-memory",
  "--max-memory=4294967296",
  // Debian's C library knows no threads. Of it only the heap keeps anything between calls, and that is guarded.
  "--no-check-features",
  "--wrap=malloc",
  "--wrap=free",
  "--wrap=aligned_alloc",
  "--export=__stack_pointer",
  "--export=__wasm_call_ctors",
  "-z",
  "stack-size=1048576",
  "--gc-sections",
  "--strip-all",
];

async function main() {
  await generate();
  await mkdir(join(root, build), { recursive: true });
  const sources = (await sourcesIn("native")).filter((source) => !elsewhere.test(basename(source)));
  const objects = await twoAtATime(sources, (source) => compile(compiler, flagsOf(source), source, build));
  const built = join(build, "flybrick.wasm");
  const toLinker = linking.flatMap((word) => ["-Xlinker", word]);
  await run(compiler, ["--target=wasm32-wasi", "-nostartfiles", ...toLinker, ...objects, "-o", built]);
  const bytes = await readFile(join(root, built));
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(bytes)).map(({ name }) => name);
  if (imports.join() !== "memory")
    throw new Error(`the module must import its memory alone, not ${imports.join(", ")}`);
  if (process.argv.includes("--check")) {
    if (!bytes.equals(await readFile(join(root, kept))))
      throw new Error(`${kept} is not what the sources give; run npm run build:wasm and commit it`);
    console.log(`${kept}, ${bytes.length} bytes, is what the sources give`);
    return;
  }
  await mkdir(join(root, "wasm"), { recursive: true });
  await writeFile(join(root, kept), bytes);
  console.log(`${kept}: ${bytes.length} bytes`);
}

try {
  await main();
} catch (error) {
  console.error(`build:wasm: ${String(error.stderr || error.message || error).slice(0, 8000)}`);
  process.exitCode = 1;
}
