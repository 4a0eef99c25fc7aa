import { hasCheckpoint } from "./checkpoint_database.js";
import { within } from "./database.js";
import { canGoOn, isGoing, type Run } from "./run.js";
import { heldRuns } from "./run_locks.js";

const mostRuns = 12;

/** Runs of earlier visits, the latest last; one that a reload broke off is `interrupted`. Runs of other tabs stay there. */
export async function readRuns(): Promise<Run[]> {
  const held = await heldRuns();
  const all = await within("runs", "readonly", (store) => store.getAll() as IDBRequest<Run[]>);
  const runs = all.filter(({ number }) => !held.has(number)).sort((a, b) => a.number - b.number);
  for (const run of runs) {
    if (isGoing(run)) run.phase = "interrupted";
    const isKept = canGoOn(run) && (await hasCheckpoint(run.number));
    if (!isKept) delete run.keptSteps;
  }
  return runs.slice(-mostRuns);
}

export async function writeRun(run: Run): Promise<void> {
  const { number } = run;
  const numbers = await within("runs", "readonly", (store) => store.getAllKeys());
  await within("runs", "readwrite", (store) => {
    for (const old of numbers
      .map(Number)
      .sort((a, b) => a - b)
      .slice(0, -mostRuns))
      if (old !== number) store.delete(old);
    return store.put(run, number);
  });
}

export async function deleteRuns(numbers: readonly number[]): Promise<void> {
  if (numbers.length === 0) return;
  await within("runs", "readwrite", (store) => numbers.map((number) => store.delete(number)).at(-1)!);
  await within("checkpoints", "readwrite", (store) => numbers.map((number) => store.delete(number)).at(-1)!);
}
