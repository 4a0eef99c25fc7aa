import { availableParallelism, cpus } from "node:os";
import { UserError } from "../core/errors.js";
import { connectMpi } from "../distributed/mpi.js";
import type { ProcessGroup } from "../distributed/process_group.js";
import { reportError } from "./report_error.js";

/** What ranks find each other by: MPI of whichever library fits the launcher, or of one by name. */
export const distributedNames = ["mpi", "openmpi", "mpich"] as const;
export type DistributedName = (typeof distributedNames)[number];

/** Runs a command as one of the processes that mpirun started, where it is asked for; each rank prints its own failure. */
export async function together(
  { distributed, json }: { distributed?: DistributedName; json?: true },
  work: (group?: ProcessGroup) => Promise<void>,
): Promise<void> {
  if (distributed === undefined) return work();
  const group = await connectMpi(distributed === "mpi" ? {} : { library: distributed });
  try {
    await work(group);
  } catch (error) {
    // Printed first: the group may not be left alive.
    process.exitCode = await reportOnce(error as Error, group, json ?? false);
  }
  await group.close();
}

async function reportOnce(error: Error, group: ProcessGroup, isJson: boolean): Promise<number> {
  const { rank } = group;
  // The same mistake of all is said by rank 0.
  if (await group.fail(error.message)) return 1;
  if (rank === 0) return reportError(error, isJson);
  // Standard output is rank 0's.
  return reportError(new UserError(`rank ${rank}: ${error.message}`, { cause: error }), false);
}

/** Threads of a rank, where the launcher has not bound it to cores of its own: its share of them. */
export function threadsOf({ localSize }: ProcessGroup): number {
  const available = availableParallelism();
  return available < cpus().length ? available : Math.max(1, Math.floor(available / localSize));
}
