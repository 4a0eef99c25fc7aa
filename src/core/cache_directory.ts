import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** Where Flybrick keeps what it can make or fetch again: below XDG_CACHE_HOME, or ~/.cache where that is not set. */
export function cacheDirectory(...names: string[]): string {
  const base = process.env.XDG_CACHE_HOME ?? "";
  // The XDG specification has relative paths ignored.
  return join(isAbsolute(base) ? base : join(homedir(), ".cache"), "flybrick", ...names);
}
