import { showSettings, showSwitches } from "./controls.js";
import { byId } from "./dom.js";
import { layerTable } from "./layer_table.js";
import { readNetwork } from "./network_code.js";
import { CodeError, placeOf } from "./network_syntax.js";
import { readPreferences, setLanguage, setTheme, type Theme } from "./preferences.js";
import { showCurves, showRun } from "./run_view.js";
import { fromFragment, type State, toFragment } from "./state.js";
import { languages, type Strings } from "./strings.js";
import { isGoing, Trainer } from "./trainer.js";

const code = byId<HTMLTextAreaElement>("code");
const preferences = readPreferences();
let strings: Strings = languages[preferences.language];
let { state, problems } = fromFragment(location.hash.slice(1));
/** Whether the text is a network. */
let fits = false;

const trainer = new Trainer(draw);

/** Texts of index.html, in the page's language. */
function translate(): void {
  document.documentElement.lang = preferences.language;
  document.title = strings.title;
  const texts = strings as unknown as Readonly<Record<string, string>>;
  for (const element of document.querySelectorAll<HTMLElement>("[data-text]"))
    element.textContent = texts[element.dataset.text!]!;
  for (const element of document.querySelectorAll<HTMLElement>("[data-label]"))
    element.setAttribute("aria-label", texts[element.dataset.label!]!);
}

function change(part: Partial<State>): void {
  state = { ...state, ...part };
  problems = [];
  history.replaceState(null, "", `#${toFragment(state)}`);
  if (part.learningRate !== undefined) trainer.setRate(part.learningRate);
  showState();
}

/** Everything that follows from the state alone. */
function showState(): void {
  if (code.value !== state.code) code.value = state.code;
  showSwitches(state, strings, change);
  showSettings(state, strings, change, (sentence) => {
    problems = [sentence];
    draw();
  });
  showNetwork();
  draw();
}

/** The layer table of the text, or the sentence on its mistake; the last table stays, in grey. */
function showNetwork(): void {
  const mistake = byId("mistake");
  const table = byId("table");
  try {
    table.replaceChildren(layerTable(readNetwork(state.code), state.batchSize, strings));
    mistake.textContent = strings.fits;
    fits = true;
  } catch (error) {
    if (!(error instanceof CodeError)) throw error;
    const { line, column } = placeOf(state.code, error.offset);
    mistake.textContent = strings.mistakeAt(line, column) + error.message;
    fits = false;
  }
  mistake.classList.toggle("wrong", !fits);
  table.classList.toggle("stale", !fits);
  code.setAttribute("aria-invalid", `${!fits}`);
}

let isDue = false;

/** Draws the runs at the next frame, at most once a frame. */
function draw(): void {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    const { current, runs } = trainer;
    const isUnderWay = isGoing(current);
    const canPause = isUnderWay && current.phase !== "loading";
    const isPaused = current?.phase === "paused";
    byId<HTMLButtonElement>("train").disabled = !fits;
    const pause = byId<HTMLButtonElement>("pause");
    pause.disabled = !canPause;
    pause.textContent = isPaused ? strings.goOn : strings.pause;
    byId<HTMLButtonElement>("step").disabled = !canPause;
    byId<HTMLButtonElement>("stop").disabled = !isUnderWay;
    showRun(current, strings);
    showCurves(runs, state, strings);
    byId("problems").textContent = problems.join(" ");
  });
}

code.addEventListener("input", () => change({ code: code.value }));
byId("settings").addEventListener("submit", (event) => event.preventDefault());
byId("train").addEventListener("click", () => trainer.train(state));
byId("pause").addEventListener("click", () => {
  if (trainer.current?.phase === "paused") trainer.resume();
  else trainer.pause();
});
byId("step").addEventListener("click", () => trainer.step());
byId("stop").addEventListener("click", () => trainer.stop());
byId("clear").addEventListener("click", () => trainer.clear());
byId("language").addEventListener("click", () => {
  preferences.language = preferences.language === "en" ? "zh-CN" : "en";
  setLanguage(preferences.language);
  strings = languages[preferences.language];
  translate();
  showState();
});
const theme = byId<HTMLSelectElement>("theme");
theme.value = preferences.theme;
theme.addEventListener("change", () => setTheme(theme.value as Theme));
addEventListener("hashchange", () => {
  ({ state, problems } = fromFragment(location.hash.slice(1)));
  showState();
});
new ResizeObserver(draw).observe(byId("curves"));
// A table that scrolls sideways must be reached by keyboard.
byId("table").tabIndex = 0;
byId("table").role = "region";
byId("table").setAttribute("aria-labelledby", "layers-title");

setTheme(preferences.theme);
translate();
showState();
