/** Our side of a race, in a process of its own: sets work up, runs steps, tells its peak memory. */
import { readFileSync } from "node:fs";
import { type DeviceName, openDevice } from "../src/devices/open.js";
import { useDevice } from "../src/tensor/evaluate.js";
import type { Work } from "./pytorch.js";
import { type Prepared, prepare } from "./work.js";

export type Command =
  | { cmd: "setup"; work: Work; warmUp?: number; device?: DeviceName; threads?: number }
  | { cmd: "run"; steps: number }
  | { cmd: "memory" };

let prepared: Prepared | null = null;

/** The seconds of each step. As train() does it: the next step is recorded while one runs. */
async function run({ step }: Prepared, steps: number): Promise<number[]> {
  const seconds: number[] = [];
  let start = performance.now();
  let running = step();
  for (let i = 1; i <= steps; i++) {
    const next = i < steps ? step() : Promise.resolve();
    await running;
    running = next;
    seconds.push((performance.now() - start) / 1000);
    start = performance.now();
  }
  return seconds;
}

async function answer(command: Command): Promise<object> {
  if (command.cmd === "memory") {
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
    return { peakMemoryMB: Number(peak?.[1] ?? 0) / 1024 };
  }
  if (command.cmd === "setup") {
    const { device: name = "cpu", threads, warmUp = 2 } = command;
    const device = await openDevice(name, threads === undefined ? {} : { threads });
    useDevice(device);
    prepared = await prepare(command.work);
    await run(prepared, warmUp);
    return { flop: prepared.flop, device: device.description };
  }
  const before = process.resourceUsage();
  const seconds = await run(prepared!, command.steps);
  const after = process.resourceUsage();
  return {
    seconds,
    pageFaults: after.minorPageFault - before.minorPageFault,
    processorSeconds:
      (after.userCPUTime + after.systemCPUTime - before.userCPUTime - before.systemCPUTime) / 1e6,
  };
}

process.on("message", (command: Command) => {
  answer(command).then(
    (result) => process.send!(result),
    (error: Error) => process.send!({ error: error.message }),
  );
});
