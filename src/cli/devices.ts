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
