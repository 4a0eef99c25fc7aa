import { UserError } from "../core/errors.js";

/**
 * Those of `known` that are asked for, as they are written there, whatever the case; all if nothing is asked for. What is
 * asked for was cut at commas, which a name may hold itself. Throws a UserError that lists them on a name that there is
 * none of.
 */
export function chosenNames(
  what: string,
  known: readonly string[],
  wanted: readonly string[] | undefined,
): string[] {
  if (wanted === undefined) return [...known];
  const named = (parts: readonly string[]): string | undefined =>
    known.find((one) => one.toLowerCase() === parts.join(", ").toLowerCase());
  const found: string[] = [];
  for (let rest = wanted; rest.length > 0; ) {
    let size = rest.length;
    while (size > 1 && named(rest.slice(0, size)) === undefined) size--;
    const name = named(rest.slice(0, size));
    if (name === undefined)
      throw new UserError(`there is no ${what} ${JSON.stringify(rest[0])}; choose of ${known.join(", ")}`);
    found.push(name);
    rest = rest.slice(size);
  }
  return found;
}
