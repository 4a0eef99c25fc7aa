import { within } from "./database.js";
import { byId, grouped, html } from "./dom.js";
import type { ImagesFrom } from "./messages.js";
import type { State } from "./state.js";
import type { Strings } from "./strings.js";
import type { Answer } from "./trainer.js";

/** Where the full set may be had, as the host says in a `meta` of index.html. */
const offered = document.querySelector<HTMLMetaElement>('meta[name="flybrick-data"]')?.content ?? "";

/** Where images come from: the page's sample, files of the visitor's, or a folder's address. */
export class DataPanel {
  private files: readonly File[] | undefined;
  private readonly source = byId<HTMLSelectElement>("data-source");
  private readonly address = byId<HTMLInputElement>("data-address");
  private readonly said = byId("data-said");
  private state: State;

  constructor(
    state: State,
    private strings: Strings,
    private readonly change: (part: Partial<State>) => void,
    private readonly ask: (images: ImagesFrom) => void,
  ) {
    this.state = state;
    this.source.addEventListener("change", () => this.choose(this.source.value));
    byId("data-load").addEventListener("click", () => this.load());
    this.address.addEventListener("keydown", ({ key }) => {
      if (key === "Enter") this.load();
    });
    const input = byId<HTMLInputElement>("data-files");
    input.addEventListener("change", () => this.takeFiles([...(input.files ?? [])]));
    const place = byId("data");
    place.addEventListener("dragover", (event) => event.preventDefault());
    place.addEventListener("drop", (event) => {
      event.preventDefault();
      this.takeFiles([...(event.dataTransfer?.files ?? [])]);
    });
  }

  /** Files that an earlier visit chose. */
  async restore(): Promise<void> {
    this.files ??= await within(
      "files",
      "readonly",
      (store) => store.get("images") as IDBRequest<File[] | undefined>,
    ).catch(() => undefined);
  }

  show(state: State, strings: Strings): void {
    if (state.data !== this.state.data) this.said.textContent = "";
    this.state = state;
    this.strings = strings;
    const kind = state.data === "sample" || state.data === "files" ? state.data : "address";
    const names = { sample: strings.sample, files: strings.ownFiles, address: strings.fromAddress };
    this.source.replaceChildren(
      ...Object.entries(names).map(([value, title]) => html("option", { value }, title)),
    );
    this.source.value = kind;
    byId("data-by-files").hidden = kind !== "files";
    byId("data-by-address").hidden = kind !== "address";
    if (kind === "address" && document.activeElement !== this.address) this.address.value = state.data;
  }

  /** Where a run of this state has its images from, or a sentence where that is not known. */
  imagesOf({ data }: State): ImagesFrom | string {
    if (data === "files") return this.files ? { files: this.files } : this.strings.noFiles;
    if (data === "") return this.strings.noAddress;
    return { folder: new URL(data === "sample" ? "fashion-mnist/" : data, document.baseURI).href };
  }

  /** What the worker says of images that were asked for. */
  take(answer: Answer): void {
    const { strings, said } = this;
    if (answer.type === "receiving") said.textContent = strings.loading(answer.received, answer.total);
    if (answer.type === "images") {
      said.textContent = strings.imagesAre(grouped(answer.trainImages), grouped(answer.testImages));
      if (this.state.data === "files" && this.files)
        void within("files", "readwrite", (store) => store.put(this.files, "images")).catch(() => {});
    }
    if (answer.type === "refused") {
      said.textContent = answer.sentence;
      // What is wrong is not kept.
      if (this.state.data === "files") this.files = undefined;
    }
    said.classList.toggle("wrong", answer.type === "refused");
  }

  private choose(kind: string): void {
    this.change({ data: kind === "address" ? offered : kind });
  }

  private load(): void {
    this.change({ data: this.address.value.trim() });
    this.look();
  }

  private takeFiles(files: readonly File[]): void {
    if (files.length === 0) return;
    this.files = files;
    this.change({ data: "files" });
    this.look();
  }

  private look(): void {
    const images = this.imagesOf(this.state);
    if (typeof images === "string") this.take({ type: "refused", what: "images", sentence: images });
    else this.ask(images);
  }
}
