import { readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { atomicWrite, makeDirectory } from "../../core/atomic_write.js";
import { cacheDirectory } from "../../core/cache_directory.js";
import { errorCode } from "../../core/errors.js";
import type { TuningStore } from "./tuning.js";

/** Measurements in a file of the user's cache. */
export function tuningFile(place = cacheDirectory("webgpu-variants.json")): TuningStore {
  return {
    place,
    async read() {
      try {
        return await readFile(place, "utf8");
      } catch (error) {
        if (errorCode(error) === "ENOENT") return null;
        throw error;
      }
    },
    async write(text) {
      await makeDirectory(dirname(place));
      await atomicWrite(place, text, "set XDG_CACHE_HOME to a folder that can be written");
    },
    clear: () => rm(place, { force: true }),
  };
}
