import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, fileProblem, UserError } from "../core/errors.js";
import { CheckpointStore, weightsOf } from "./checkpoint.js";
import { RunDirectory } from "./run_directory.js";
import { encodeSafetensors } from "./safetensors.js";

/**
 * Whether nothing is left to do for a run whose newest checkpoint says that it is finished: not where that one is damaged
 * and the one before it has to be gone on from. Weights that are not as training left them are written anew, with a
 * warning. Throws a UserError where no checkpoint is sound.
 */
export async function isWhole(run: RunDirectory, warn: (message: string) => void): Promise<boolean> {
  // Whoever goes on is told of what is damaged.
  const last = await new CheckpointStore(run.checkpoints).newest(() => {});
  // Runs of the first versions have none.
  if (!last) return true;
  if (!last.state.finished) return false;
  const path = join(run.path, "model.safetensors");
  const expected = encodeSafetensors(weightsOf(last));
  const found = await readFile(path).catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return undefined;
    throw new UserError(`${path} cannot be read, because ${fileProblem(error)}: check its permissions.`);
  });
  if (found?.equals(expected)) return true;
  const holder = await RunDirectory.resume(run.path);
  try {
    await holder.writeFile("model.safetensors", expected);
  } finally {
    await holder.close();
  }
  warn(
    `${path} was ${found ? "not as training left it" : "missing"}: it has been written anew from ${last.path}.`,
  );
  return true;
}
