import { CodeField } from "./code_field.js";
import { showSettings, showSwitches } from "./controls.js";
import { DataPanel } from "./data_panel.js";
import { byId } from "./dom.js";
import { FilesPanel } from "./files_panel.js";
import { layerTable } from "./layer_table.js";
import { isLook } from "./looks.js";
import type { ImagesFrom } from "./messages.js";
import { readNetwork } from "./network_code.js";
import { CodeError, placeOf } from "./network_syntax.js";
import { Panels } from "./panels.js";
import { readPreferences, setLanguage, setTheme, type Theme } from "./preferences.js";
import { presetNames, presets } from "./presets.js";
import { canGoOn, isGoing } from "./run.js";
import { showCurves, showRun } from "./run_view.js";
import { showRuns } from "./runs_list.js";
import { fromFragment, type State, toFragment } from "./state.js";
import { languages, type Strings } from "./strings.js";
import { type Answer, Trainer } from "./trainer.js";

const preferences = readPreferences();
let strings: Strings = languages[preferences.language];
let { state, problems } = fromFragment(location.hash.slice(1));
/** Whether the text is a network. */
let fits = false;

const trainer = new Trainer(draw, takeAnswer);
const code = new CodeField(byId<HTMLTextAreaElement>("code"), byId("editor"), (text) =>
  change({ code: text }),
);
const dataPanel = new DataPanel(state, strings, change, (images) => trainer.send({ type: "images", images }));
const filesPanel = new FilesPanel(strings, {
  file: (format) => {
    const { current } = trainer;
    if (current) trainer.send({ type: "file", run: current.number, state: current.state, format });
  },
  weights: (weights) => {
    const images = dataPanel.imagesOf(state);
    if (typeof images === "string")
      filesPanel.take({ type: "refused", what: "weights", sentence: images }, "");
    else trainer.send({ type: "weights", state, images, weights });
  },
});

const panels = new Panels(trainer, strings, new URL("fashion-mnist/", document.baseURI).href);

/** What the worker tells that is of no run. */
function takeAnswer(answer: Answer): void {
  if (isLook(answer)) {
    panels.take(answer);
    return;
  }
  if (answer.type === "refused" ? answer.what === "images" : /^(images|receiving)$/.test(answer.type))
    dataPanel.take(answer);
  else filesPanel.take(answer, titleOf(trainer.current?.state ?? state));
}

/** What a network's file is called. */
function titleOf({ code }: State): string {
  return presetNames.find((name) => presets[name].code === code) ?? "network";
}

/** Texts of index.html, in the page's language. */
function translate(): void {
  document.documentElement.lang = preferences.language;
  document.title = strings.title;
  const texts = strings as unknown as Readonly<Record<string, string>>;
  for (const element of document.querySelectorAll<HTMLElement>("[data-text]"))
    element.textContent = texts[element.dataset.text!]!;
  for (const element of document.querySelectorAll<HTMLElement>("[data-label]"))
    element.setAttribute("aria-label", texts[element.dataset.label!]!);
  code.name(strings.code);
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
  code.show(state.code);
  dataPanel.show(state, strings);
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
    code.mark(undefined);
    fits = true;
  } catch (error) {
    if (!(error instanceof CodeError)) throw error;
    const { line, column } = placeOf(state.code, error.offset);
    mistake.textContent = strings.mistakeAt(line, column) + error.message;
    code.mark(error);
    fits = false;
  }
  mistake.classList.toggle("wrong", !fits);
  table.classList.toggle("stale", !fits);
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
    const goesOn = current?.phase === "paused" || canGoOn(current);
    byId<HTMLButtonElement>("train").disabled = !fits;
    const pause = byId<HTMLButtonElement>("pause");
    pause.disabled = !canPause && !goesOn;
    pause.textContent = goesOn ? strings.goOn : strings.pause;
    byId<HTMLButtonElement>("step").disabled = !canPause;
    byId<HTMLButtonElement>("stop").disabled = !isUnderWay;
    showRun(current, strings);
    showCurves(runs, state, strings);
    showRuns(runs, strings, (taken) => change(taken));
    filesPanel.show(current, strings);
    panels.progress();
    byId("problems").textContent = problems.join(" ");
    document.querySelector("main")!.removeAttribute("data-empty");
  });
}

/** Where a run's images come from; a sentence is shown where that is not known. */
function imagesOf(of: State): ImagesFrom | undefined {
  const images = dataPanel.imagesOf(of);
  problems = typeof images === "string" ? [images] : [];
  draw();
  return typeof images === "string" ? undefined : images;
}

byId("settings").addEventListener("submit", (event) => event.preventDefault());
byId("train").addEventListener("click", () => {
  const images = imagesOf(state);
  if (images) trainer.train(state, images, filesPanel.weights);
});
byId("pause").addEventListener("click", () => {
  const { current } = trainer;
  if (canGoOn(current)) {
    const images = imagesOf(current.state);
    if (images) trainer.goOn(images);
  } else if (current?.phase === "paused") trainer.resume();
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
  panels.translate(strings);
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
for (const [id, title] of [
  ["table", "layers-title"],
  ["history-chart", "history-title"],
] as const) {
  byId(id).tabIndex = 0;
  byId(id).role = "region";
  byId(id).setAttribute("aria-labelledby", title);
}

setTheme(preferences.theme);
translate();
showState();
void Promise.all([trainer.restore(), dataPanel.restore()]);
