import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { Annotation, Compartment, EditorState } from "@codemirror/state";
import { drawSelection, EditorView, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { layerNames } from "./network_code.js";
import type { CodeError } from "./network_syntax.js";

/** The text's look only; `parseNetwork` is what reads it. */
const language = StreamLanguage.define<{ isComment: boolean }>({
  startState: () => ({ isComment: false }),
  token(stream, state) {
    if (state.isComment || stream.match("/*")) {
      state.isComment = !stream.match(/^.*?\*\//);
      if (state.isComment) stream.skipToEnd();
      return "comment";
    }
    if (stream.match(/^\/\/.*/)) return "comment";
    if (stream.match(/^-?(\d[\d_]*(\.\d*)?|\.\d+)(e[+-]?\d+)?/i)) return "number";
    if (stream.match(/^("[^"]*"|'[^']*')/)) return "string";
    if (stream.match(/^(true|false|null)\b/)) return "atom";
    if (stream.match(/^\w+(?=\s*\()/)) return "keyword";
    if (stream.match(/^\w+(?=\s*:)/)) return "propertyName";
    stream.next();
    return null;
  },
  languageData: { closeBrackets: { brackets: ["(", "[", "{"] }, commentTokens: { line: "//" } },
});

const highlighting = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--blue)" },
  // Darker than a line of a chart, since it is read.
  {
    tag: [tags.number, tags.atom, tags.string],
    color: "color-mix(in srgb, var(--orange) 75%, var(--ink))",
  },
  { tag: tags.comment, color: "var(--quiet)", fontStyle: "italic" },
]);

const look = EditorView.theme({
  "&": { fontSize: "0.875rem", color: "var(--ink)", minHeight: "24rem", maxHeight: "46rem" },
  "&.cm-focused": { outline: "2px solid var(--blue)", outlineOffset: "2px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.6" },
  ".cm-content": { padding: "0.875rem 0", caretColor: "var(--ink)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--quiet)", border: "0" },
  ".cm-lineNumbers .cm-gutterElement": { minWidth: "2.25em" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--blue) 28%, transparent)",
  },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "color-mix(in srgb, var(--blue) 22%, transparent)" },
  ".cm-tooltip": {
    color: "var(--ink)",
    backgroundColor: "var(--paper)",
    border: "1px solid var(--faint)",
    borderRadius: "5px",
    maxWidth: "28rem",
  },
  ".cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": {
    color: "var(--paper)",
    backgroundColor: "var(--blue)",
  },
  ".cm-diagnostic-error": { borderLeftColor: "var(--orange)" },
});

/** A change that the page made, not the visitor. */
const isOurs = Annotation.define<boolean>();

export interface Editor {
  /** Puts a text there, unless it is there. */
  show(text: string): void;
  /** Marks a mistake at its place, or none. */
  mark(mistake: CodeError | undefined): void;
  /** What assistive technology calls it. */
  name(label: string): void;
  focus(selection: { readonly from: number; readonly to: number }): void;
}

/**
 * An editor of networks in a shadow root of `host`: there, CodeMirror's styles are adopted style sheets, which the page's
 * policy lets be. Tab leaves it, since no key of it is bound to Tab.
 */
export function openEditor(host: HTMLElement, text: string, onInput: (text: string) => void): Editor {
  const attributes = new Compartment();
  const root = host.attachShadow({ mode: "open" });
  const view = new EditorView({
    parent: root,
    root,
    state: EditorState.create({
      doc: text,
      extensions: [
        [lineNumbers(), lintGutter(), history(), drawSelection(), bracketMatching(), closeBrackets()],
        [language, syntaxHighlighting(highlighting), look],
        autocompletion({
          override: [
            (context) => {
              const typed = context.matchBefore(/nn\.\w*/);
              return (
                typed && { from: typed.from + 3, options: layerNames.map(layerOption), validFor: /^\w*$/ }
              );
            },
          ],
        }),
        keymap.of([
          ...closeBracketsKeymap,
          ...defaultKeymap,
          ...historyKeymap,
          ...completionKeymap,
          ...lintKeymap,
        ]),
        attributes.of([]),
        EditorView.updateListener.of(({ docChanged, transactions, state }) => {
          if (docChanged && !transactions.some((one) => one.annotation(isOurs))) onInput(`${state.doc}`);
        }),
      ],
    }),
  });
  return {
    show(text) {
      if (`${view.state.doc}` === text) return;
      const changes = { from: 0, to: view.state.doc.length, insert: text };
      view.dispatch({ changes, annotations: isOurs.of(true) });
    },
    mark(mistake) {
      view.dispatch(setDiagnostics(view.state, mistake ? [diagnosticOf(view.state, mistake)] : []));
      view.contentDOM.setAttribute("aria-invalid", `${mistake !== undefined}`);
    },
    name(label) {
      const effects = attributes.reconfigure(EditorView.contentAttributes.of({ "aria-label": label }));
      view.dispatch({ effects });
    },
    focus({ from, to }) {
      view.dispatch({ selection: { anchor: from, head: to } });
      view.focus();
    },
  };
}

const layerOption = (label: string) => ({ label, type: "function", apply: `${label}(` });

/** The mistake from its place to its line's end, but for a comma there. */
function diagnosticOf({ doc }: EditorState, { message, offset }: CodeError) {
  const from = Math.min(offset, Math.max(0, doc.length - 1));
  const line = doc.lineAt(from);
  const marked = line.text
    .slice(from - line.from)
    .trimEnd()
    .replace(/,$/, "").length;
  return { from, to: Math.min(doc.length, from + Math.max(1, marked)), severity: "error" as const, message };
}
