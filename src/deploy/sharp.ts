import type { Sharp, SharpOptions } from "sharp";
import { UserError } from "../core/errors.js";

/**
 * sharp decodes, shrinks and draws; it is an optional dependency, 20 MB, loaded when first needed. Throws a UserError
 * where it cannot be. In a file of its own, since who uses the package may not have sharp's types.
 */
export async function loadSharp(): Promise<
  (input: Uint8Array | Uint8ClampedArray, options?: SharpOptions) => Sharp
> {
  try {
    return (await import("sharp")).default;
  } catch (error) {
    const reason = (error as Error).message.split("\n")[0];
    throw new UserError(
      `images are read and drawn by the optional package sharp, which cannot be loaded here (${reason}): run \`npm install sharp\``,
      { cause: error },
    );
  }
}
