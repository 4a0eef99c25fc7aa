/** A document that a chart can be drawn in. Plot is given it as `never`, since what it calls a Document is unknown without a browser's types. */
export type HostDocument = object;

/**
 * What a drawing needs of the document that it grows in. Of our own, since linkedom's types do not check beside a
 * browser's, in the projects of those who use this package.
 */
export interface SvgElement {
  textContent: string | null;
  readonly outerHTML: string;
  append(...nodes: SvgElement[]): void;
  setAttribute(name: string, value: string): void;
  querySelectorAll(name: string): Iterable<{ remove(): void }>;
}

interface Host {
  createElementNS(space: string, name: string): SvgElement;
}

interface Parser {
  parseFromString(text: string, type: string): Host;
}

const { DOMParser: PageParser } = globalThis as { readonly DOMParser?: new () => Parser };
const blank = "<!doctype html><html><body></body></html>";

/** A page has documents of its own; elsewhere linkedom stands in, which is not loaded in pages. */
export const newDocument: () => Host = PageParser
  ? () => new PageParser().parseFromString(blank, "text/html")
  : await import("linkedom").then(
      ({ parseHTML }) =>
        () =>
          parseHTML(blank).document as unknown as Host,
    );

/** An attribute's value as `setAttribute` wants it: linkedom writes it as old HTML has it, where only quotes are escaped; XML wants these too. */
export const attributeText: (value: string) => string = PageParser
  ? (value) => value
  : (value) => value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
