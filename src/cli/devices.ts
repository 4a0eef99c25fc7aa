import type { Command } from "commander";
import { clearTuning, devices } from "../devices/open.js";
import { printJson } from "./reporters.js";

export function addDevices(program: Command): void {
  program
    .command("devices")
    .description("what can compute here, and why not what cannot")
    .option("--json", "print one JSON object a device and nothing else")
    .option("--clear-tuning", "forget which kernels were measured to be fastest on a GPU")
    .action(async (flags: { json?: true; clearTuning?: true }) => {
      if (flags.clearTuning) {
        const place = await clearTuning();
        if (flags.json) printJson({ event: "tuning-cleared", place });
        else console.log(`Forgotten: ${place}. The fastest kernels are measured again at a GPU's next use.`);
        return;
      }
      const reports = await devices();
      const used = reports.find((report) => report.isAutomatic)?.name;
      for (const report of reports) {
        const { name, available, description, details } = report;
        if (flags.json) {
          printJson({ ...report, isDefault: name === used });
          continue;
        }
        console.log(`${available ? (name === used ? "*" : " ") : "x"} ${name.padEnd(10)} ${description}`);
        for (const line of details) console.log(`             ${line}`);
      }
      if (flags.json) return;
      const isOneMissing = reports.some(({ available }) => !available);
      console.log(
        `\n* is what --device auto takes: a real GPU first, never a software adapter.${isOneMissing ? " x cannot be used." : ""}`,
      );
    });
}
