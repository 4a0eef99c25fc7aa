import { byId, html } from "./dom.js";
import type { Garment, LookReport, Picture } from "./looks.js";
import { Pad } from "./pad.js";
import type { Strings } from "./strings.js";
import { nameIn } from "./strings_of_panels.js";

interface Asked {
  /** Asks the worker; false where there is no network yet. */
  readonly classify: (picture: Picture) => boolean;
  readonly garment: () => Garment | undefined;
  /** Height and width of the network's images. */
  readonly size: () => readonly [number, number];
}

/** A picture of the visitor's, and what the network says of it. */
export class PicturePanel {
  private readonly pad = new Pad(byId<HTMLCanvasElement>("pad"), () => this.ask());
  private guesses: (LookReport & { type: "guesses" })["guesses"] | undefined;
  /** Whether the worker has a picture; the latest waits until it has answered. */
  private isAsked = false;
  private isStale = false;
  private hasNetwork = false;
  private file: File | undefined;
  /** The file that was given last; one that is still being read comes too late. */
  private given: File | undefined;

  constructor(
    private strings: Strings,
    private readonly asked: Asked,
  ) {
    for (const [id, isErasing] of [
      ["pen", false],
      ["eraser", true],
    ] as const)
      byId(id).addEventListener("change", () => {
        this.pad.isErasing = isErasing;
      });
    const width = byId<HTMLInputElement>("pen-width");
    width.addEventListener("input", () => {
      this.pad.width = width.valueAsNumber;
    });
    byId("clear-pad").addEventListener("click", () => {
      this.given = undefined;
      this.file = undefined;
      this.say("");
      this.pad.clear();
    });
    byId("take-garment").addEventListener("click", () => {
      const garment = asked.garment();
      this.given = undefined;
      this.file = undefined;
      if (garment) this.pad.put(garment);
    });
    const input = byId<HTMLInputElement>("picture-file");
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      if (file) void this.read(file, file.name);
      // So that the same file may be chosen again.
      input.value = "";
    });
    byId("invert").addEventListener("change", () => {
      if (this.given) void this.read(this.given, this.given.name);
    });
    const place = byId("picture");
    place.addEventListener("dragover", (event) => {
      event.preventDefault();
      place.classList.add("dropping");
    });
    place.addEventListener("dragleave", () => place.classList.remove("dropping"));
    place.addEventListener("drop", (event) => {
      event.preventDefault();
      place.classList.remove("dropping");
      const file = event.dataTransfer?.files[0];
      if (file) void this.read(file, file.name);
    });
    addEventListener("paste", ({ clipboardData }) => {
      const file = [...(clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
      if (file) void this.read(file, this.strings.pastedPicture);
    });
  }

  show(strings: Strings, hasNetwork: boolean): void {
    const isNew = hasNetwork && !this.hasNetwork;
    this.hasNetwork = hasNetwork;
    this.strings = strings;
    byId<HTMLButtonElement>("take-garment").disabled = this.asked.garment() === undefined;
    if (isNew) this.ask();
    this.showGuesses();
  }

  /** The network has changed. */
  ask(): void {
    if (this.pad.isEmpty) this.guesses = undefined;
    else if (this.isAsked) this.isStale = true;
    else this.isAsked = this.asked.classify(this.pad.shown);
    this.showGuesses();
  }

  take(report: LookReport): void {
    if (report.type === "unseen" && report.what === "guesses") this.say(report.sentence, true);
    if (report.type === "guesses") this.guesses = report.guesses;
    if (report.type !== "guesses" && !(report.type === "unseen" && report.what === "guesses")) return;
    this.isAsked = false;
    if (this.isStale) {
      this.isStale = false;
      this.ask();
    }
    this.showGuesses();
  }

  /** The worker is gone, with what it was asked. */
  forget(): void {
    this.isAsked = false;
    this.isStale = false;
  }

  private async read(file: File, name: string): Promise<void> {
    this.given = file;
    try {
      const { readPicture } = await import("./read_picture.js");
      const isInverted = byId<HTMLInputElement>("invert").checked;
      const picture = await readPicture(file, this.asked.size(), isInverted);
      // The mark may have been changed meanwhile, too.
      if (this.given !== file || byId<HTMLInputElement>("invert").checked !== isInverted) return;
      this.file = file;
      this.say("");
      this.pad.put(picture);
    } catch {
      if (this.given !== file) return;
      this.given = this.file;
      this.say(this.strings.notPicture(name), true);
    }
  }

  private say(sentence: string, isWrong = false): void {
    const said = byId("picture-said");
    said.textContent = sentence;
    said.classList.toggle("wrong", isWrong);
  }

  private showGuesses(): void {
    const { strings, guesses } = this;
    const hint = this.pad.isEmpty ? strings.guessesPadEmpty : this.hasNetwork ? "" : strings.guessesEmpty;
    byId("guesses-hint").textContent = hint;
    const rows = (hint === "" ? (guesses ?? []) : []).map(({ label, probability }) => {
      const bar = html("span", { class: "share", "aria-hidden": "true" });
      bar.style.width = `${(100 * probability).toFixed(2)}%`;
      return html(
        "li",
        {},
        html("span", { class: "name" }, nameIn(strings, label)),
        html("span", { class: "track" }, bar),
        html("span", { class: "number" }, strings.guessShare(probability)),
      );
    });
    byId("guesses").replaceChildren(...rows);
  }
}
