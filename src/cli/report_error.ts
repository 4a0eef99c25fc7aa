import { CommanderError } from "commander";
import { UserError } from "../core/errors.js";
import { StoppedError, stoppedCode } from "./interrupt.js";
import { printJson } from "./reporters.js";

/** Prints a mistake as one sentence, or as one JSON object. Returns the exit code. */
export function reportError(error: Error, isJson: boolean): number {
  // Help and version end by an error too, with exit code 0; others were printed by the parser.
  if (error instanceof CommanderError && !isJson) return error.exitCode;
  if (error instanceof CommanderError && error.exitCode === 0) return 0;
  if (isJson) printJson({ event: "error", message: error.message });
  else process.stderr.write(`flybrick: ${error.message}\n`);
  const isExpected =
    error instanceof UserError ||
    error instanceof RangeError ||
    error instanceof TypeError ||
    error instanceof CommanderError;
  if (error instanceof StoppedError) return stoppedCode;
  if (process.env.FLYBRICK_DEBUG) process.stderr.write(`${error.stack}\n`);
  else if (!isExpected)
    process.stderr.write("This may be a fault of Flybrick; FLYBRICK_DEBUG=1 shows where it arose.\n");
  return 1;
}
