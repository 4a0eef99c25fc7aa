import { byId, html } from "./dom.js";
import { paint } from "./drawings.js";
import type { Garment } from "./looks.js";
import type { Strings } from "./strings.js";
import { nameIn } from "./strings_of_panels.js";

/** Test images to choose one from. */
export class Garments {
  private all: readonly Garment[] = [];
  private classNames: readonly string[] = [];
  /** What the fields were made of. */
  private shown: readonly unknown[] = [];
  chosen: Garment | undefined;

  constructor(private readonly onChoose: () => void) {}

  set(all: readonly Garment[], classNames: readonly string[]): void {
    this.all = all;
    this.classNames = classNames;
    this.chosen = all.find(({ number }) => number === this.chosen?.number) ?? all[0];
  }

  show(strings: Strings): void {
    const { all } = this;
    if (this.shown[0] === all && this.shown[1] === strings) return;
    this.shown = [all, strings];
    const fields = all.map((garment) => {
      const { number, label } = garment;
      const name = strings.garment(nameIn(strings, this.classNames[label]!), number);
      const input = html("input", { type: "radio", name: "garment", value: number, "aria-label": name });
      input.checked = garment === this.chosen;
      input.addEventListener("change", () => {
        this.chosen = garment;
        this.onChoose();
      });
      const canvas = html("canvas", { "aria-hidden": "true" });
      paint(canvas, garment);
      return html("label", { class: "garment", title: name }, input, canvas);
    });
    byId("garments").replaceChildren(...fields);
  }
}
