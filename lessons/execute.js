// Runs the notebooks here from top to bottom in fresh Deno kernels, without a browser: node execute.js [notebook ...]
// Copies with their outputs go to ../runs/lessons/. Fails where a cell throws or, before anything runs, a type is wrong.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const deno = join(here, "node_modules/.bin/deno");
const outputDirectory = join(here, "../runs/lessons");
const named = process.argv.slice(2).map((path) => basename(path));
const notebooks = named.length > 0 ? named : readdirSync(here).filter((name) => name.endsWith(".ipynb"));
// The kernel's specification lies here: nothing is installed into the home directory.
const temporary = mkdtempSync(join(tmpdir(), "flybrick-lessons-"));

try {
  const kernel = join(temporary, "kernels/deno");
  mkdirSync(kernel, { recursive: true });
  const argv = [deno, "jupyter", "--kernel", "--conn", "{connection_file}"];
  writeFileSync(
    join(kernel, "kernel.json"),
    JSON.stringify({ argv, display_name: "Deno", language: "typescript" }),
  );
  for (const notebook of notebooks) {
    checkTypes(notebook);
    run("jupyter-nbconvert", [
      ...["--to", "notebook", "--execute", "--output-dir", outputDirectory],
      ...["--ExecutePreprocessor.kernel_name=deno", "--ExecutePreprocessor.timeout=-1", notebook],
    ]);
    console.log(`${notebook}: every cell ran; with its outputs it is ${join("runs/lessons", notebook)}`);
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(temporary, { recursive: true });
}

/** The kernel runs TypeScript without checking it, so its cells are checked as one module. */
function checkTypes(notebook) {
  const { cells } = JSON.parse(readFileSync(join(here, notebook), "utf8"));
  const code = cells.filter((cell) => cell.cell_type === "code").map((cell) => [cell.source].flat().join(""));
  const module = join(temporary, `${basename(notebook, ".ipynb")}.ts`);
  writeFileSync(module, code.join("\n"));
  run(deno, ["check", "--quiet", "--config", join(here, "deno.json"), module]);
}

function run(command, parameters) {
  const { error, status, signal } = spawnSync(command, parameters, {
    cwd: here,
    stdio: "inherit",
    env: { ...process.env, JUPYTER_PATH: temporary },
  });
  if (error?.code === "ENOENT")
    throw new Error(`${command} is missing: run npm ci in lessons/, and apt-get install jupyter-nbconvert`);
  if (error) throw error;
  if (status !== 0) throw new Error(`${basename(command)} failed with ${signal ?? `code ${status}`}`);
}
