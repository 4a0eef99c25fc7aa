import type { Editor } from "./editor.js";
import type { CodeError } from "./network_syntax.js";

/** The network's text: a text area that works at once, and an editor in its place as soon as that is loaded. */
export class CodeField {
  private editor: Editor | undefined;
  private mistake: CodeError | undefined;

  constructor(
    private readonly area: HTMLTextAreaElement,
    private readonly host: HTMLElement,
    private readonly onInput: (text: string) => void,
  ) {
    area.addEventListener("input", () => onInput(area.value));
    // After what the visitor came for; Safari has no idle callbacks.
    const later = globalThis.requestIdleCallback ?? ((act: () => void) => setTimeout(act, 500));
    later(() => {
      // Where it cannot be loaded, the text area stays.
      void import("./editor.js").then(
        ({ openEditor }) => this.open(openEditor),
        () => {},
      );
    });
  }

  show(text: string): void {
    if (this.area.value !== text) this.area.value = text;
    this.editor?.show(text);
  }

  mark(mistake: CodeError | undefined): void {
    this.mistake = mistake;
    this.area.setAttribute("aria-invalid", `${mistake !== undefined}`);
    this.editor?.mark(mistake);
  }

  name(label: string): void {
    this.area.setAttribute("aria-label", label);
    this.editor?.name(label);
  }

  private open(openEditor: typeof import("./editor.js").openEditor): void {
    const { area, host } = this;
    const hadFocus = document.activeElement === area;
    const selection = { from: area.selectionStart, to: area.selectionEnd };
    // Before, since the editor measures lines.
    host.hidden = false;
    area.hidden = true;
    this.editor = openEditor(host, area.value, (text) => {
      area.value = text;
      this.onInput(text);
    });
    this.editor.name(area.getAttribute("aria-label") ?? "");
    this.editor.mark(this.mistake);
    if (hadFocus) this.editor.focus(selection);
  }
}
