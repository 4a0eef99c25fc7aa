// Serves the playground while it is worked on; with "build" writes it to playground/dist, static files for any host.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const cwd = fileURLToPath(new URL("../playground", import.meta.url));

/** Ends the process where a program fails. */
function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd, stdio: "inherit" });
  if (error) console.error(`${program} cannot be started: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

if (!existsSync(`${cwd}/node_modules/vite`)) {
  console.log("Installing the playground's packages into playground/node_modules.");
  run("npm", ["ci", "--ignore-scripts", "--no-fund", "--no-audit"]);
}
run(process.execPath, ["node_modules/vite/bin/vite.js", ...process.argv.slice(2)]);
