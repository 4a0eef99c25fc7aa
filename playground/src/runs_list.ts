import { byId, html } from "./dom.js";
import { presetOf } from "./presets.js";
import type { Run } from "./run.js";
import { type State, settingNames, stateOf } from "./state.js";
import type { Strings } from "./strings.js";

const share = (value: number | undefined): string => value?.toFixed(3) ?? "–";

/** What a run was of: its network, and the settings that are not usual. */
function describe({ state }: Run, strings: Strings): string {
  const name = presetOf(state.code)?.title ?? strings.ownNetwork;
  const usual = stateOf("lenet");
  const shown = settingNames.filter(
    (setting) => setting === "learningRate" || state[setting] !== usual[setting],
  );
  return [name, ...shown.map((setting) => `${setting} ${state[setting]}`)].join(", ");
}

/** The runs that the curves show, the latest first, each with a button that takes its settings. */
export function showRuns(runs: readonly Run[], strings: Strings, take: (state: State) => void): void {
  const place = byId("runs");
  place.hidden = runs.length < 2;
  if (runs.length < 2) return;
  const head = [strings.run, strings.loss, strings.testAccuracy, strings.take];
  const rows = runs
    .map((run, k) => {
      const text = describe(run, strings);
      const button = html("button", { type: "button", class: "plain" }, strings.take);
      button.setAttribute("aria-label", strings.takeSettings(text));
      button.addEventListener("click", () => take(run.state));
      const isNow = k === runs.length - 1;
      return html(
        "tr",
        {},
        html("th", { scope: "row" }, isNow ? `${text} (${strings.now})` : text),
        html("td", { class: "number" }, share(run.loss.at(-1)?.y)),
        html("td", { class: "number" }, share(run.testAccuracy.at(-1)?.y)),
        html("td", {}, button),
      );
    })
    .reverse();
  const table = html(
    "table",
    {},
    html("caption", { class: "quiet" }, strings.runs),
    html("thead", {}, html("tr", {}, ...head.map((title) => html("th", { scope: "col" }, title)))),
    html("tbody", {}, ...rows),
  );
  // Ten drawings a second must not take a button from under the visitor's hand.
  const key = `${document.documentElement.lang} ${runs.map((run) => `${run.number} ${run.testAccuracy.length} ${run.phase}`)}`;
  if (place.dataset.shown === key) return;
  place.dataset.shown = key;
  place.replaceChildren(table);
}
