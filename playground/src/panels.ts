import { byId } from "./dom.js";
import { HistoryPanel } from "./history_panel.js";
import { InsidePanel } from "./inside_panel.js";
import type { LookReport, Wanted } from "./looks.js";
import { readNetwork } from "./network_code.js";
import { PicturePanel } from "./picture_panel.js";
import { ResultsPanel } from "./results_panel.js";
import type { Run } from "./run.js";
import type { Strings } from "./strings.js";
import type { Trainer } from "./trainer.js";

/** A picture on the screen is classified anew so often while the network trains. */
const renewMilliseconds = 1000;

/** What can be seen of the network; only what is on the screen is computed. */
export class Panels {
  private readonly visible = new Set<string>();
  private readonly inside = new InsidePanel(() => this.watch());
  private readonly results = new ResultsPanel();
  private readonly picture: PicturePanel;
  private readonly history: HistoryPanel;
  /** What was sent last. */
  private sent = "";
  private renewed = { position: Number.NaN, at: 0 };
  /** The run whose network the worker has. */
  private subject: number | undefined;

  constructor(
    private readonly trainer: Trainer,
    private strings: Strings,
    folder: string,
  ) {
    this.picture = new PicturePanel(strings, {
      classify: (picture) => {
        if (this.subject === undefined) return false;
        trainer.send({ type: "classify", picture });
        return true;
      },
      garment: () => this.inside.garments.chosen,
      size: () => sizeOf(trainer.current),
    });
    this.history = new HistoryPanel(strings, folder, () => trainer.runs);
    const observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries)
        if (isIntersecting) this.visible.add(target.id);
        else this.visible.delete(target.id);
      if (this.visible.has("history")) void this.history.open();
      this.watch();
    });
    for (const id of ["inside", "results", "picture", "history"]) observer.observe(byId(id));
    document.addEventListener("visibilitychange", () => this.watch());
    this.translate(strings);
  }

  translate(strings: Strings): void {
    this.strings = strings;
    void this.inside.show(this.trainer.runs, strings);
    void this.results.show(strings);
    this.picture.show(strings, this.subject !== undefined);
    this.history.translate(strings);
  }

  take(report: LookReport): void {
    const { runs } = this.trainer;
    if (report.type === "garments") {
      this.subject = report.of;
      this.sent = "";
      this.picture.forget();
    }
    if (report.type !== "unseen" || report.what === "inside") this.inside.take(report, runs, this.strings);
    if (report.type !== "unseen" || report.what === "results") this.results.take(report, this.strings);
    this.picture.take(report);
    this.picture.show(this.strings, this.subject !== undefined);
    this.watch();
  }

  /** The current run has gone on. */
  progress(): void {
    const { current } = this.trainer;
    const position = current?.progress?.position ?? 0;
    const isRunning = current?.phase === "running";
    const { renewed } = this;
    if (this.subject === undefined || !this.visible.has("picture") || position === renewed.position) return;
    if (isRunning && performance.now() - renewed.at < renewMilliseconds) return;
    this.renewed = { position, at: performance.now() };
    this.picture.ask();
  }

  private watch(): void {
    if (this.subject === undefined) return;
    const isSeen = (id: string): boolean => this.visible.has(id) && !document.hidden;
    const wanted: Wanted = {
      inside: isSeen("inside") ? this.inside.wanted : null,
      results: isSeen("results"),
    };
    const text = JSON.stringify(wanted);
    if (text === this.sent) return;
    this.sent = text;
    this.trainer.send({ type: "watch", ...wanted });
  }
}

function sizeOf(run: Run | undefined): readonly [number, number] {
  const shape = run && readNetwork(run.state.code).inputShape;
  return shape?.length === 3 ? [shape[1]!, shape[2]!] : [28, 28];
}
