import { join } from "node:path";
import type { Command } from "commander";
import { atomicWrite, makeDirectory } from "../core/atomic_write.js";
import { fileProblem, UserError } from "../core/errors.js";
import { openRun } from "../deploy/saved_run.js";
import { loadSharp } from "../deploy/sharp.js";
import { useDevice } from "../tensor/evaluate.js";
import { addDeviceOptions, type DeviceFlags, openDeviceOf } from "./options.js";
import { inspectRun, pagePolicy, readReport } from "./run_report.js";
import { loadData } from "./training_run.js";

interface ReportFlags extends DeviceFlags {
  dataDir?: string;
  sample?: true;
  out?: string;
  svg?: true;
  png?: true;
}

export function addReport(program: Command): void {
  const command = program
    .command("report")
    .description(
      "write report.html: a run's curves, mistakes, kernels, activations and settings, in one file",
    )
    .argument("<run>", "run directory, such as runs/alexnet, or lenet for the weights that ship")
    .option("--out <dir>", "where it is written (default: the run; here for the weights that ship)")
    .option("--svg", "also write each chart as an SVG file of its own")
    .option("--png", "also write each chart as a PNG file (needs the optional package sharp)")
    .option("--data-dir <dir>", "folder that holds the four IDX files (default: as trained)")
    .option("--sample", "take the shipped sample's test images");
  addDeviceOptions(command).action(async (path: string, flags: ReportFlags) => {
    const rasterize = flags.png ? await rasterizer() : undefined;
    const run = await openRun(path, flags);
    const out = flags.out ?? (run.isShipped ? "." : run.directory.path);
    await requireDirectory(out);
    const report = await readReport(run);
    useDevice(await openDeviceOf(flags));
    const data = await loadData(run.config, (text) => process.stderr.write(`${text}\n`));
    const inspection = await inspectRun(run, data);
    if (!inspection)
      process.stderr.write(`${path} holds no weights yet: the report shows its curves alone.\n`);
    const whole = { ...report, inspection };
    const { chartsOf, reportPage } = await import("../views/report_page.js");
    const write = async (name: string, content: Uint8Array | string): Promise<void> => {
      const file = join(out, name);
      await atomicWrite(file, content, "choose another --out");
      console.log(file);
    };
    await write("report.html", reportPage(whole, { policy: pagePolicy() }));
    for (const { name, title, draw } of flags.svg || flags.png ? chartsOf(whole) : []) {
      const svg = draw({ title });
      if (flags.svg) await write(`${name}.svg`, svg);
      if (rasterize) await write(`${name}.png`, await rasterize(svg));
    }
  });
}

/** Makes the folder where a report goes. Throws a UserError if it cannot. */
async function requireDirectory(path: string): Promise<void> {
  await makeDirectory(path).catch((error: unknown) => {
    throw new UserError(`${path} cannot be made, because ${fileProblem(error)}: choose another --out.`);
  });
}

/** SVG to PNG with two pixels a unit. Throws a UserError where sharp is not installed. */
async function rasterizer(): Promise<(svg: string) => Promise<Uint8Array>> {
  const sharp = await loadSharp();
  return (svg) => sharp(Buffer.from(svg), { density: 144 }).png().toBuffer();
}
