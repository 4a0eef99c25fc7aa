import { byId } from "./dom.js";
import { loadViews, optionsOf, showDrawing } from "./drawings.js";
import type { LookReport } from "./looks.js";
import type { Strings } from "./strings.js";
import { nameIn } from "./strings_of_panels.js";

type Seen = LookReport & { type: "results" };

/** What the network takes for what. */
export class ResultsPanel {
  private seen: Seen | undefined;

  take(report: LookReport, strings: Strings): void {
    if (report.type === "unseen") byId("results-note").textContent = strings.unseen(report.sentence);
    if (report.type !== "results") return;
    this.seen = report;
    void this.show(strings);
  }

  async show(strings: Strings): Promise<void> {
    const { seen } = this;
    byId("results-figures").hidden = !seen;
    if (!seen) {
      byId("results-note").textContent = strings.resultsEmpty;
      return;
    }
    const views = await loadViews();
    if (seen !== this.seen) return;
    const options = optionsOf(views, strings);
    const { examples, accuracy, confusion, mistakes } = seen.results;
    byId("results-note").textContent = strings.resultsNote(seen.position, examples, accuracy);
    const classNames = confusion.classNames.map((name) => nameIn(strings, name));
    showDrawing(byId("confusion"), views.confusionSvg({ ...confusion, classNames }, options));
    const named = mistakes.map((one) => ({
      ...one,
      truth: nameIn(strings, one.truth),
      predicted: nameIn(strings, one.predicted),
    }));
    showDrawing(byId("mistakes"), views.mistakesSvg(named, options));
  }
}
