import { byId } from "./dom.js";
import type { FileFormat, WeightsFile } from "./messages.js";
import type { Run } from "./run.js";
import type { Strings } from "./strings.js";
import type { Answer } from "./trainer.js";

/** A network's weights, down and up, and ONNX down. */
export class FilesPanel {
  /** What training begins with, in place of random weights. */
  weights: WeightsFile | null = null;
  private asked: WeightsFile | null = null;
  private testAccuracy = Number.NaN;
  private readonly said = byId("files-said");

  constructor(
    private strings: Strings,
    ask: {
      readonly file: (format: FileFormat) => void;
      readonly weights: (weights: WeightsFile) => void;
    },
  ) {
    byId("save-weights").addEventListener("click", () => ask.file("safetensors"));
    byId("save-onnx").addEventListener("click", () => ask.file("onnx"));
    const input = byId<HTMLInputElement>("load-weights");
    input.addEventListener("change", async () => {
      const file = input.files?.[0];
      // So that the same file may be chosen again.
      if (!file) return;
      this.asked = { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) };
      input.value = "";
      this.say(this.strings.tryingWeights(file.name));
      ask.weights(this.asked);
    });
    byId("forget-weights").addEventListener("click", () => {
      this.weights = null;
      this.say("");
    });
  }

  show(run: Run | undefined, strings: Strings): void {
    if (strings !== this.strings) {
      this.strings = strings;
      if (this.weights) this.say(strings.beginsWith(this.weights.name, this.testAccuracy));
    }
    const hasNetwork = run !== undefined && (run.progress !== undefined || run.keptSteps !== undefined);
    for (const id of ["save-weights", "save-onnx"]) byId<HTMLButtonElement>(id).disabled = !hasNetwork;
    byId("forget-weights").hidden = this.weights === null;
  }

  /** What the worker made of files; `title` begins a file's name. */
  take(answer: Answer, title: string): void {
    if (answer.type === "weights") {
      this.weights = this.asked;
      this.testAccuracy = answer.testAccuracy;
      this.say(this.strings.beginsWith(answer.name, answer.testAccuracy));
    }
    if (answer.type === "refused") this.say(answer.sentence, true);
    if (answer.type === "file") {
      this.say("");
      save(answer.bytes, `${title}.${answer.format}`);
    }
    byId("forget-weights").hidden = this.weights === null;
  }

  private say(sentence: string, isWrong = false): void {
    this.said.textContent = sentence;
    this.said.classList.toggle("wrong", isWrong);
  }
}

function save(bytes: Uint8Array<ArrayBuffer>, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes]));
  link.download = name;
  link.click();
  // The download has begun by then, in every browser.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
