import { UserError } from "../core/errors.js";

/**
 * Those of `known` that are asked for, as they are written there, whatever the case; all if nothing is asked for. Throws a
 * UserError that lists them on a name that there is none of.
 */
export function chosenNames(
  what: string,
  known: readonly string[],
  wanted: readonly string[] | undefined,
): string[] {
  if (wanted === undefined) return [...known];
  return wanted.map((name) => {
    const found = known.find((one) => one.toLowerCase() === name.toLowerCase());
    if (found === undefined)
      throw new UserError(`there is no ${what} ${JSON.stringify(name)}; choose of ${known.join(", ")}`);
    return found;
  });
}
