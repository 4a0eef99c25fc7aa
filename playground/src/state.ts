import { type PresetName, presetNames, presets } from "./presets.js";

export const optimizerNames = ["sgd", "adam", "adamw"] as const;
export const augmentations = ["none", "flip", "crop", "crop and flip"] as const;
export const deviceNames = ["auto", "webgpu", "wasm", "reference"] as const;

/** All that decides what the page shows and how a run goes; a link holds it. */
export interface State {
  /** The network's text; see `readNetwork`. */
  readonly code: string;
  readonly optimizer: (typeof optimizerNames)[number];
  readonly learningRate: number;
  /** Of sgd. */
  readonly momentum: number;
  readonly batchSize: number;
  readonly epochs: number;
  readonly seed: number;
  readonly augment: (typeof augmentations)[number];
  readonly device: (typeof deviceNames)[number];
  /** Where images come from: "sample", "files" (of the visitor's), or a folder's address. */
  readonly data: string;
}

/** A preset's network with the settings that suit it. */
export function stateOf(preset: PresetName): State {
  const { code, optimizer, learningRate } = presets[preset];
  return {
    code,
    optimizer,
    learningRate,
    momentum: 0,
    batchSize: 128,
    epochs: 10,
    seed: 0,
    augment: "none",
    device: "auto",
    data: "sample",
  };
}

export const firstPreset: PresetName = "lenet";

/** What a setting may be: the sentence's end, and the value of a text, or undefined where the text has none. */
export interface Setting<T> {
  readonly allowed: string;
  readonly read: (text: string) => T | undefined;
}

function oneOf<T extends string>(names: readonly T[]): Setting<T> {
  return { allowed: `one of ${names.join(", ")}`, read: (text) => names.find((name) => name === text) };
}

/** A decimal number; Number() would also take "", "0x1" and "Infinity". */
function decimal(text: string): number | undefined {
  return /^\d*\.?\d+(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

function number(allowed: string, isAllowed: (value: number) => boolean): Setting<number> {
  return {
    allowed,
    read: (text) => {
      const value = decimal(text.trim());
      return value !== undefined && isAllowed(value) ? value : undefined;
    },
  };
}

function whole(least: number, most: number): Setting<number> {
  return number(
    `a whole number from ${least} to ${most}`,
    (value) => Number.isInteger(value) && value >= least && value <= most,
  );
}

/** An address by http, absolute or of the page's host; "sample" and "files" read as the latter. */
function isAddress(text: string): boolean {
  const base = "https://host.invalid/";
  return text.length <= 2000 && URL.canParse(text, base) && /^https?:$/.test(new URL(text, base).protocol);
}

/** Every setting but the network. */
export const settings: { readonly [Name in keyof Omit<State, "code">]: Setting<State[Name]> } = {
  optimizer: oneOf(optimizerNames),
  learningRate: number("a number above 0 and at most 100", (value) => value > 0 && value <= 100),
  momentum: number("a number of at least 0 and below 1", (value) => value >= 0 && value < 1),
  batchSize: whole(1, 60_000),
  epochs: whole(1, 1000),
  seed: whole(0, 2 ** 32 - 1),
  augment: oneOf(augmentations),
  device: oneOf(deviceNames),
  data: {
    allowed: "sample, files or an address of a folder",
    read: (text) => (isAddress(text) ? text : undefined),
  },
};

export type SettingName = keyof typeof settings;
export const settingNames = Object.keys(settings) as SettingName[];

/** A link's fragment, without "#": a preset by its name, other networks as text, and the settings that differ. */
export function toFragment(state: State): string {
  const name = presetNames.find((preset) => presets[preset].code === state.code);
  const usual = stateOf(name ?? firstPreset);
  const fields = new URLSearchParams(name ? { net: name } : { code: state.code });
  for (const setting of settingNames)
    if (state[setting] !== usual[setting]) fields.set(setting, `${state[setting]}`);
  return `${fields}`;
}

/** The state of a link's fragment. What cannot be used is left at its usual value, with a sentence about each. */
export function fromFragment(fragment: string): { state: State; problems: string[] } {
  const fields = new URLSearchParams(fragment);
  const problems: string[] = [];
  const ignore = (name: string, value: string, allowed: string) =>
    problems.push(
      `The link's ${name} is ${JSON.stringify(value.slice(0, 40))}, not ${allowed}; it is ignored.`,
    );
  const net = fields.get("net");
  const preset = presetNames.find((name) => name === net);
  if (net !== null && !preset) ignore("net", net, `one of ${presetNames.join(", ")}`);
  const usual = stateOf(preset ?? firstPreset);
  const state: Record<string, string | number> = { ...usual, code: fields.get("code") ?? usual.code };
  for (const [name, text] of fields) {
    if (name === "net" || name === "code") continue;
    const setting = Object.hasOwn(settings, name) ? settings[name as SettingName] : undefined;
    const value = setting?.read(text);
    if (value !== undefined) state[name] = value;
    else ignore(name, text, setting?.allowed ?? "a setting of this page");
  }
  return { state: state as unknown as State, problems };
}
