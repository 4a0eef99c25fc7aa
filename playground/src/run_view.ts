import { type Chart, drawChart, type Line } from "./curves.js";
import { byId, clock, grouped, html } from "./dom.js";
import { type Preset, presetOf } from "./presets.js";
import { canGoOn, isGoing, type Run } from "./run.js";
import type { State } from "./state.js";
import type { Strings } from "./strings.js";

/** The sentence on how a run stands. */
function statusOf(run: Run | undefined, strings: Strings): string {
  if (!run) return strings.ready;
  const { phase, progress } = run;
  switch (phase) {
    case "loading":
      return strings.loading(run.received.bytes, run.received.total);
    case "running":
      return progress
        ? strings.running(progress.epoch, run.state.epochs, progress.step, progress.steps)
        : strings.preparing;
    case "paused":
      return strings.paused((run.place ?? progress)?.epoch ?? 1, (run.place ?? progress)?.step ?? 0);
    case "interrupted":
      return canGoOn(run) ? strings.interrupted(run.keptSteps) : strings.stopped;
    case "stopped":
      return canGoOn(run) ? strings.stoppedAt(run.keptSteps) : strings.stopped;
    case "failed":
      return strings.failed + (run.sentence ?? "") + (canGoOn(run) ? strings.goesOnFrom(run.keptSteps) : "");
    case "finished":
      return strings.finished;
  }
}

/** What computes, and why it is not what was asked for. */
function deviceText({ device, state }: Run, strings: Strings): string {
  if (!device) return "";
  const { name, description, standIn, isIsolated } = device;
  const told = /[.!?。]$/.test(description) ? description : `${description}.`;
  const notes = [
    standIn !== undefined && strings.standsIn(name, standIn.replace(/\.$/, "")),
    standIn === undefined && state.device === "auto" && name !== "webgpu" && strings.noGpu,
    name === "wasm" && !isIsolated && strings.oneThread,
  ];
  return [told, ...notes.filter((note) => note !== false)].join(" ");
}

function figure(title: string, value: string, isLong = false): HTMLElement {
  return html(
    "div",
    isLong ? { class: "wide" } : {},
    html("dt", {}, title),
    html("dd", isLong ? { class: "long" } : {}, value),
  );
}

/** Three decimals, or a dash. */
const share = (value: number | undefined): string =>
  value !== undefined && Number.isFinite(value) ? value.toFixed(3) : "–";

/** Status, progress bar and figures of the current run. */
export function showRun(run: Run | undefined, strings: Strings): void {
  const { progress, lastEpoch, device, memoryBytes } = run ?? {};
  const status = byId("status");
  status.textContent = statusOf(run, strings);
  // Ten sentences a second are for the eye alone.
  status.setAttribute("aria-live", run?.phase === "running" ? "off" : "polite");
  status.classList.toggle("wrong", run?.phase === "failed");
  byId("warning").textContent = run && run.phase !== "failed" ? (run.sentence ?? "") : "";
  byId<HTMLProgressElement>("progress").value = run && progress ? progress.position / run.state.epochs : 0;
  const left = isGoing(run) ? progress?.secondsLeft : undefined;
  byId("figures").replaceChildren(
    figure(strings.loss, share(progress?.loss)),
    figure(strings.trainAccuracy, share(progress?.accuracy)),
    figure(strings.testAccuracy, share(lastEpoch?.testAccuracy)),
    figure(
      strings.imagesPerSecond,
      progress?.imagesPerSecond ? grouped(Number(progress.imagesPerSecond.toPrecision(3))) : "–",
    ),
    figure(strings.timeLeft, clock(left ?? Number.NaN)),
    figure(strings.loaderShare, lastEpoch ? strings.percent(lastEpoch.loaderShare) : "–"),
    ...(memoryBytes === undefined ? [] : [figure(strings.gpuMemory, strings.gigabytes(memoryBytes))]),
    ...(run && device ? [figure(strings.device, deviceText(run, strings), true)] : []),
  );
}

/** What each line's last point is, for those who do not see it. */
function describe(lines: readonly Line[], strings: Strings): string {
  const ends = lines
    .filter(({ kind, points }) => kind !== "earlier" && points.length > 0)
    .map(({ name, points }) => `${name} ${share(points.at(-1)?.y)}`);
  return ends.length > 0 ? ends.join(", ") : strings.noRun;
}

/** Loss and accuracy of all runs, the last in colour, with what the book printed for the same network. */
export function showCurves(runs: readonly Run[], shown: State, strings: Strings): void {
  const run = runs.at(-1);
  const earlier = runs.slice(0, -1);
  const preset: Preset | undefined = presetOf((run?.state ?? shown).code);
  const { published } = preset ?? {};
  const epochs = Math.max(...runs.map(({ state }) => state.epochs), run ? 1 : shown.epochs);
  const old = (of: "loss" | "testAccuracy"): Line[] =>
    earlier.map((one) => ({ name: "", kind: "earlier", points: one[of] }));
  const loss: Line[] = [...old("loss"), { name: strings.trainLine, kind: "loss", points: run?.loss ?? [] }];
  const accuracy: Line[] = [
    ...old("testAccuracy"),
    { name: strings.trainLine, kind: "train", points: run?.trainAccuracy ?? [] },
    { name: strings.testLine, kind: "test", points: run?.testAccuracy ?? [] },
  ];
  const show = (id: string, chart: Omit<Chart, "description" | "epochs">): void => {
    const place = byId(id);
    // So that its text grows with the page's.
    const unit = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    const width = Math.max(280, place.clientWidth / unit);
    const complete = { ...chart, epochs, description: describe(chart.lines, strings) };
    place.replaceChildren(drawChart(complete, width, Math.min(260, Math.max(180, width / 2.6))));
  };
  show("loss-curve", {
    title: strings.lossByEpoch,
    lines: loss,
    references: published ? [{ name: strings.book, value: published.loss }] : [],
    most: 0.5,
  });
  show("accuracy-curve", {
    title: strings.accuracyByEpoch,
    lines: accuracy,
    references: published
      ? [
          { name: strings.bookTrain, value: published.trainAccuracy },
          { name: strings.bookTest, value: published.testAccuracy },
        ]
      : [],
    most: 1,
  });
  const isWhole = run?.trainImages === 60_000;
  const note = published ? (isWhole ? strings.bookNoteWhole : strings.bookNote) : strings.dataNote;
  byId("curves-note").textContent = isWhole && !published ? "" : note;
  byId("clear").hidden = earlier.length === 0;
}
