/** Our side of a race, in a process of its own: sets work up, runs steps, tells its peak memory. */
import { readFileSync } from "node:fs";
import { type DeviceName, openDevice } from "../src/devices/open.js";
import { useDevice } from "../src/tensor/evaluate.js";
import type { Work } from "./pytorch.js";
import { type Prepared, prepare } from "./work.js";

export type Command =
  | { cmd: "setup"; work: Work; device?: DeviceName; threads?: number }
  | { cmd: "run"; steps: number }
  | { cmd: "memory" };

let prepared: Prepared | null = null;

async function answer(command: Command): Promise<object> {
  if (command.cmd === "memory") {
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
    return { peakMemoryMB: Number(peak?.[1] ?? 0) / 1024 };
  }
  if (command.cmd === "setup") {
    const { device: name = "cpu", threads } = command;
    const device = await openDevice(name, threads === undefined ? {} : { threads });
    useDevice(device);
    prepared = await prepare(command.work);
    for (let i = 0; i < 2; i++) await prepared.step();
    return { flop: prepared.flop, device: device.description };
  }
  // As train() does it: the next step is recorded while one runs.
  const seconds: number[] = [];
  const faults = process.resourceUsage().minorPageFault;
  let start = performance.now();
  let running = prepared!.step();
  for (let i = 1; i <= command.steps; i++) {
    const next = i < command.steps ? prepared!.step() : Promise.resolve();
    await running;
    running = next;
    seconds.push((performance.now() - start) / 1000);
    start = performance.now();
  }
  return { seconds, pageFaults: process.resourceUsage().minorPageFault - faults };
}

process.on("message", (command: Command) => {
  answer(command).then(
    (result) => process.send!(result),
    (error: Error) => process.send!({ error: error.message }),
  );
});
