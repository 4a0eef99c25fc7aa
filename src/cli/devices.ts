import type { Command } from "commander";
import { devices } from "../devices/open.js";
import { printJson } from "./reporters.js";

export function addDevices(program: Command): void {
  program
    .command("devices")
    .description("what can compute here, and why not what cannot")
    .option("--json", "print one JSON object a device and nothing else")
    .action(async (flags: { json?: true }) => {
      const reports = await devices();
      const used = reports.find((report) => report.available)?.name;
      for (const report of reports) {
        if (flags.json) printJson({ ...report, isDefault: report.name === used });
        else
          console.log(
            `${report.available ? (report.name === used ? "*" : " ") : "x"} ${report.name.padEnd(10)} ${report.description}`,
          );
      }
      if (!flags.json)
        console.log(
          "\n* is what --device auto takes; x cannot be used. No GPU device exists in this version.",
        );
    });
}
