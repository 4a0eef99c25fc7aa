import type { ComparisonRow } from "flybrick/views";
import { byId } from "./dom.js";
import { loadViews, optionsOf, showDrawing } from "./drawings.js";
import { type HistoryReport, type HistoryRequest, type LiveName, liveNames } from "./history.js";
import { presets } from "./presets.js";
import type { Run } from "./run.js";
import type { Strings } from "./strings.js";
import { nameIn } from "./strings_of_panels.js";
import { presetLike } from "./switches.js";

type Summary = typeof import("../../results/compare/summary.json");

/** Kept results of `flybrick compare`, and three learners that compete in the page. */
export class HistoryPanel {
  private summary: Promise<Summary> | undefined;
  private readonly live = new Map<LiveName, number>();
  private worker: Worker | undefined;
  private said: (strings: Strings) => string = ({ historyReady }) => historyReady;

  constructor(
    private strings: Strings,
    private readonly folder: string,
    private readonly runs: () => readonly Run[],
  ) {
    byId("history-run").addEventListener("click", () => (this.worker ? this.end() : this.begin()));
  }

  /** Loads what it shows when it first comes into view. */
  async open(): Promise<void> {
    this.summary ??= import("../../results/compare/summary.json").then(({ default: summary }) => summary);
    await this.draw();
  }

  translate(strings: Strings): void {
    this.strings = strings;
    this.say();
    if (this.summary) void this.draw();
  }

  private say(): void {
    byId("history-said").textContent = this.said(this.strings);
    byId("history-run").textContent = this.worker ? this.strings.historyStop : this.strings.historyRun;
  }

  private begin(): void {
    const worker = new Worker(new URL("./history_worker.ts", import.meta.url), { type: "module" });
    this.worker = worker;
    this.live.clear();
    const learners = liveNames.filter((name) => name !== "lenet" || !this.visitorsLenet());
    worker.addEventListener("message", ({ data }: MessageEvent<HistoryReport>) => this.take(data));
    worker.addEventListener("error", ({ message }) => this.take({ type: "failed", sentence: message }));
    worker.postMessage({ folder: this.folder, learners } satisfies HistoryRequest);
    this.said = ({ historyWorking, liveSoftmax }) => historyWorking(liveSoftmax, 0);
    this.say();
    void this.draw();
  }

  private end(): void {
    this.worker?.terminate();
    this.worker = undefined;
    this.said = ({ historyReady }) => historyReady;
    this.say();
  }

  private take(report: HistoryReport): void {
    switch (report.type) {
      case "progress":
        this.said = (strings) => strings.historyWorking(labelOf(report.name, strings), report.share);
        break;
      case "accuracy":
        this.live.set(report.name, report.accuracy);
        void this.draw();
        break;
      case "done":
        this.end();
        this.said = ({ historyDone }) => historyDone(report.seconds);
        break;
      case "failed":
        this.end();
        this.said = ({ historyFailed }) => historyFailed(report.sentence);
    }
    this.say();
  }

  /** The latest run of LeNet's layers on the sample that was tested. */
  private visitorsLenet(): Run | undefined {
    return this.runs().findLast(
      ({ state, lastEpoch, trainImages }) =>
        lastEpoch && trainImages === 6000 && presetLike(state.code) === presets.lenet,
    );
  }

  private async draw(): Promise<void> {
    const { strings } = this;
    const [views, summary] = await Promise.all([loadViews(), this.summary!]);
    const { cells, networks, learners, setting, device, date } = summary;
    const features = new Map<string, { learner: string; accuracy: number }[]>();
    for (const { features: label, learner, accuracy } of cells) {
      const name = nameIn(strings, label);
      const row = features.get(name) ?? [];
      row.push({ learner: nameIn(strings, learner), accuracy });
      features.set(name, row);
    }
    const rowOf = (label: string, accuracy: number): ComparisonRow => ({
      label,
      accuracies: [{ learner: "", accuracy }],
    });
    const live = [...this.live].map(([name, accuracy]) => rowOf(labelOf(name, strings), accuracy));
    const own = this.live.size > 0 && !this.live.has("lenet") ? this.visitorsLenet() : undefined;
    if (own?.lastEpoch) live.push(rowOf(strings.liveRun(own.lastEpoch.epoch), own.lastEpoch.testAccuracy));
    const svg = views.comparisonSvg(
      [...features].map(([label, accuracies]) => ({ label, accuracies })),
      networks.map(({ network, accuracy }) => rowOf(strings.endToEnd(network), accuracy)),
      learners.map((name) => nameIn(strings, name)),
      { ...optionsOf(views, strings), live },
    );
    showDrawing(byId("history-chart"), svg);
    const images = setting.trainImages.toLocaleString("en-US");
    byId("history-note").textContent = strings.historyNote(images, device, date);
    byId("history-live").textContent = live.length > 0 ? strings.historyLive : "";
  }
}

function labelOf(name: LiveName, { liveSoftmax, liveForest, liveLenet }: Strings): string {
  return { softmax: liveSoftmax, forest: liveForest, lenet: liveLenet }[name];
}
