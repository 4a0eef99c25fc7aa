import { byId, html } from "./dom.js";
import { presetNames, presets } from "./presets.js";
import {
  augmentations,
  deviceNames,
  optimizerNames,
  type SettingName,
  type State,
  settingNames,
  settings,
  stateOf,
} from "./state.js";
import type { Strings } from "./strings.js";
import { choicesOf, choose, chosen, dropoutOf, setDropout } from "./switches.js";

/** A labelled field. */
function field(title: string, control: HTMLElement): HTMLElement {
  return html("label", {}, title, control);
}

/** A select whose options are a value and a title each. */
function select(
  id: string,
  options: readonly (readonly [value: string, title: string])[],
  value: string,
  onChoose: (value: string) => void,
): HTMLSelectElement {
  const element = html(
    "select",
    { id },
    ...options.map(([one, title]) => html("option", { value: one }, title)),
  );
  element.value = value;
  element.addEventListener("change", () => onChoose(element.value));
  return element;
}

const selects: Partial<Record<SettingName, readonly string[]>> = {
  optimizer: optimizerNames,
  augment: augmentations,
  device: deviceNames,
};

/** Preset, and the switches that change the code. */
export function showSwitches(state: State, strings: Strings, change: (part: Partial<State>) => void): void {
  const { code } = state;
  const preset = presetNames.find((name) => presets[name].code === code) ?? "";
  const titles = presetNames.map((name) => [name, presets[name].title] as const);
  const options = preset === "" ? [["", strings.ownNetwork] as const, ...titles] : titles;
  const fields = [
    field(
      strings.preset,
      select("preset", options, preset, (value) => {
        const name = presetNames.find((one) => one === value);
        if (!name) return;
        const { seed, epochs, device, augment, data } = state;
        change({ ...stateOf(name), seed, epochs, device, augment, data });
      }),
    ),
  ];
  const switched = (
    id: string,
    title: string,
    value: string | undefined,
    choices: readonly (readonly [string, string])[],
    rewrite: (choice: string) => string,
  ): void => {
    if (value === undefined) return;
    const isListed = choices.some(([choice]) => choice === value);
    const all = isListed
      ? choices
      : [[value, value === "mixed" ? strings.mixed : value] as const, ...choices];
    const onChoose = (choice: string): void => {
      if (choice !== "mixed") change({ code: rewrite(choice) });
    };
    fields.push(field(title, select(id, all, value, onChoose)));
  };
  const named = { max: strings.max, avg: strings.avg } as Readonly<Record<string, string>>;
  for (const family of ["activation", "pooling"] as const)
    switched(
      family,
      strings[family],
      chosen(code, family),
      choicesOf(family).map((choice) => [choice, named[choice] ?? choice] as const),
      (choice) => choose(code, family, choice),
    );
  const shares = ["0", "0.2", "0.5", "0.8"].map((p) => [p, p] as const);
  switched("dropout", strings.dropout, dropoutOf(code), shares, (p) => setDropout(code, p));
  replaceFields("switches", fields);
}

/** Every setting of a run. `tell` shows a sentence about one that cannot be. */
export function showSettings(
  state: State,
  strings: Strings,
  change: (part: Partial<State>) => void,
  tell: (sentence: string) => void,
): void {
  // Where images come from has a panel of its own.
  const own = settingNames.filter((name) => name !== "data");
  const fields = own.map((name) => {
    const choices = selects[name];
    const onChange = (text: string): boolean => {
      const value = settings[name].read(text);
      if (value !== undefined) change({ [name]: value });
      else tell(strings.badSetting(strings[name], text));
      return value !== undefined;
    };
    if (choices)
      return field(
        strings[name],
        select(
          name,
          choices.map((one) => [one, one] as const),
          `${state[name]}`,
          onChange,
        ),
      );
    const input = html("input", {
      id: name,
      inputmode: "decimal",
      autocomplete: "off",
      value: `${state[name]}`,
    });
    input.disabled = name === "momentum" && state.optimizer !== "sgd";
    input.addEventListener("change", () => {
      input.setAttribute("aria-invalid", `${!onChange(input.value)}`);
    });
    return field(strings[name], input);
  });
  replaceFields("settings", fields);
}

/** Replaces fields; the one that has the focus keeps it. */
function replaceFields(id: string, fields: readonly HTMLElement[]): void {
  const focused = document.activeElement?.id;
  const place = byId(id);
  const hadFocus = place.contains(document.activeElement);
  place.replaceChildren(...fields);
  if (hadFocus && focused) document.getElementById(focused)?.focus();
}
