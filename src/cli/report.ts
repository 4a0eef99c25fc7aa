import { join } from "node:path";
import type { Command } from "commander";
import { UserError } from "../core/errors.js";
import { openRun } from "../deploy/saved_run.js";
import { useDevice } from "../tensor/evaluate.js";
import { chartsOf, reportPage } from "../views/report_page.js";
import { addDeviceOptions, type DeviceFlags, openDeviceOf } from "./options.js";
import { inspectRun, pagePolicy, readReport } from "./run_report.js";
import { loadData } from "./training_run.js";

interface ReportFlags extends DeviceFlags {
  dataDir?: string;
  sample?: true;
  svg?: true;
  png?: true;
}

export function addReport(program: Command): void {
  const command = program
    .command("report")
    .description(
      "write report.html into a run: curves, mistakes, kernels, activations, settings, in one file",
    )
    .argument("<run>", "run directory, such as runs/alexnet")
    .option("--svg", "also write each chart as an SVG file of its own")
    .option("--png", "also write each chart as a PNG file (needs the optional package sharp)")
    .option("--data-dir <dir>", "folder that holds the four IDX files (default: as trained)")
    .option("--sample", "take the shipped sample's test images");
  addDeviceOptions(command).action(async (path: string, flags: ReportFlags) => {
    const rasterize = flags.png ? await rasterizer() : undefined;
    const run = await openRun(path, flags);
    const report = await readReport(run);
    useDevice(await openDeviceOf(flags));
    const data = await loadData(run.config, (text) => process.stderr.write(`${text}\n`));
    const inspection = await inspectRun(run, data);
    if (!inspection)
      process.stderr.write(`${path} holds no weights yet: the report shows its curves alone.\n`);
    const whole = { ...report, inspection };
    await run.directory.writeFile("report.html", reportPage(whole, { policy: pagePolicy() }));
    console.log(join(path, "report.html"));
    for (const { name, title, draw } of flags.svg || flags.png ? chartsOf(whole) : []) {
      const svg = draw({ title });
      const files: [string, Uint8Array | string][] = [];
      if (flags.svg) files.push([`${name}.svg`, svg]);
      if (rasterize) files.push([`${name}.png`, await rasterize(svg)]);
      for (const [file, content] of files) {
        await run.directory.writeFile(file, content);
        console.log(join(path, file));
      }
    }
  });
}

/** SVG to PNG with two pixels a unit. Throws a UserError where sharp is not installed. */
async function rasterizer(): Promise<(svg: string) => Promise<Uint8Array>> {
  const { default: sharp } = await import("sharp").catch((error: Error) => {
    throw new UserError(
      `--png needs the optional package sharp, which cannot be loaded (${error.message.split("\n")[0]}): install it with "npm install sharp", or take --svg.`,
    );
  });
  return (svg) => sharp(Buffer.from(svg), { density: 144 }).png().toBuffer();
}
