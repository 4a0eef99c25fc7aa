import { Call, parseNetwork } from "./network_syntax.js";
import { type Preset, presets } from "./presets.js";

/** Switches change the text, so that the code stays the only word on the network. */
const families = {
  activation: ["relu", "sigmoid", "tanh"],
  pooling: ["max", "avg"],
} as const;

export type Family = keyof typeof families;
export const choicesOf = (family: Family): readonly string[] => families[family];

const nameOf = (family: Family, choice: string) => (family === "pooling" ? `${choice}Pool2d` : choice);

/** Every call of a text, outermost first; none where it cannot be read. */
function callsOf(code: string): Call[] {
  const all: Call[] = [];
  const visit = (call: Call): void => {
    all.push(call);
    for (const { value } of call.args) if (value instanceof Call) visit(value);
  };
  try {
    visit(parseNetwork(code));
  } catch {
    return [];
  }
  return all;
}

/** What the layers of a family are: one choice, "mixed", or undefined where there are none. */
export function chosen(code: string, family: Family): string | undefined {
  const found = new Set(
    callsOf(code).flatMap(({ name }) => families[family].filter((choice) => nameOf(family, choice) === name)),
  );
  return found.size > 1 ? "mixed" : [...found][0];
}

/** The text with all layers of a family changed to one choice; spacing and comments stay. */
export function choose(code: string, family: Family, choice: string): string {
  const names = families[family].map((one) => nameOf(family, one));
  return callsOf(code)
    .filter(({ name }) => names.includes(name))
    .sort((a, b) => b.nameOffset - a.nameOffset)
    .reduce(
      (text, { nameOffset, name }) =>
        text.slice(0, nameOffset) + nameOf(family, choice) + text.slice(nameOffset + name.length),
      code,
    );
}

const dropouts = (code: string): Call[] => callsOf(code).filter(({ name }) => name === "dropout");

/** The probability of the dropout layers: a number, "mixed", or undefined where there are none. */
export function dropoutOf(code: string): string | undefined {
  const found = new Set(
    dropouts(code).map(({ args }) => {
      const options = args[0]?.value;
      return `${typeof options === "object" && options && "p" in options ? options.p : 0.5}`;
    }),
  );
  return found.size > 1 ? "mixed" : [...found][0];
}

/** The text with another probability in each dropout layer. */
export function setDropout(code: string, p: string): string {
  return dropouts(code)
    .sort((a, b) => b.offset - a.offset)
    .reduce(
      (text, { offset, end }) => `${text.slice(0, offset)}nn.dropout({ p: ${p} })${text.slice(end)}`,
      code,
    );
}

/** The text as all have it that differ in switches only. */
function withoutSwitches(code: string): string {
  return setDropout(choose(choose(code, "activation", "relu"), "pooling", "max"), "0.5");
}

/** The preset that a text is but for the switches. */
export function presetLike(code: string): Preset | undefined {
  const own = withoutSwitches(code);
  return Object.values<Preset>(presets).find((preset) => withoutSwitches(preset.code) === own);
}
