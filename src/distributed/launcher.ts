/** Implementations of MPI that are known here. */
export type MpiName = "openmpi" | "mpich";

/** What started this process as one of several. */
export interface Launcher {
  /** As people call it. */
  readonly name: string;
  /** How many processes it started. */
  readonly size: number;
  /** The library it belongs to, where only one understands it. */
  readonly library: MpiName | null;
}

/** What started this process, by the variables it left; null where nothing says that there are others. */
export function launcherOf(environment: Readonly<Record<string, string | undefined>>): Launcher | null {
  const number = (name: string): number => Number(environment[name] ?? Number.NaN);
  const openMpi = number("OMPI_COMM_WORLD_SIZE");
  if (openMpi >= 1) return { name: "Open MPI's mpirun", size: openMpi, library: "openmpi" };
  const pmi = number("PMI_SIZE");
  if (pmi >= 1) return { name: "MPICH's mpirun", size: pmi, library: "mpich" };
  // Inside a job, mpirun is itself a step of Slurm's, so that its own variables come first.
  const slurm = number("SLURM_STEP_NUM_TASKS");
  if (slurm > 1) return { name: "Slurm's srun", size: slurm, library: null };
  return null;
}
