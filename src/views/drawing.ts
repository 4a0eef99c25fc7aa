import { attributeText, type HostDocument, newDocument, type SvgElement } from "./host.js";
import { lightTheme, type Theme } from "./theme.js";
import { englishWords, type Words } from "./words.js";

export interface ViewOptions {
  /** Colours: `lightTheme` unless told, `pageTheme` for drawings inside a page. */
  theme?: Theme | undefined;
  /** Drawn above; a page that has its own headings leaves it out. */
  title?: string | undefined;
  /** The texts that views write themselves, in another language; English unless told. */
  words?: Words | undefined;
}

/** Width of a view, in pixels; what a phone shows without making it much smaller. */
export const viewWidth = 440;
export const fontSize = 13;
export const fontFamily = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', Arial, sans-serif";
const titleHeight = 34;

/** An SVG document that grows element by element. */
export class Drawing {
  private readonly host = newDocument();
  readonly document: HostDocument = this.host;
  readonly theme: Theme;
  readonly words: Words;
  private readonly root: SvgElement;

  /** `name` is what a screen reader calls it, `description` what it reads out of it. */
  constructor(
    readonly width: number,
    readonly height: number,
    name: string,
    description: string,
    { theme = lightTheme, title, words = englishWords }: ViewOptions = {},
  ) {
    this.theme = theme;
    this.words = words;
    const top = title === undefined ? 0 : titleHeight;
    this.root = this.make("svg", {
      xmlns: "http://www.w3.org/2000/svg",
      width,
      height: height + top,
      viewBox: `0 ${-top} ${width} ${height + top}`,
      "font-family": fontFamily,
      "font-size": fontSize,
      fill: theme.ink,
      role: "img",
      "aria-label": title ?? name,
    });
    if (description !== "") this.root.append(this.make("desc", {}, description));
    this.add("rect", { y: -top, width, height: height + top, fill: theme.paper });
    if (title !== undefined) this.text(16, 24 - top, title, { "font-size": 16, "font-weight": 600 });
  }

  add(name: string, attributes: Record<string, string | number>, text?: string): SvgElement {
    const made = this.make(name, attributes, text);
    this.root.append(made);
    return made;
  }

  text(x: number, y: number, text: string, attributes: Record<string, string | number> = {}): void {
    this.add("text", { x, y, ...attributes }, text);
  }

  /** Pixels as a PNG's data URI, `title` as what a pointer finds. */
  picture(href: string, x: number, y: number, width: number, height: number, title?: string): void {
    const attributes = {
      href,
      x,
      y,
      width,
      height,
      preserveAspectRatio: "none",
      "image-rendering": "pixelated",
    };
    const image = this.add("image", attributes);
    if (title !== undefined) image.append(this.make("title", {}, title));
  }

  /** A chart of Observable Plot's, made with `document`, put at a place. */
  plot(plot: unknown, x = 0, y = 0): void {
    const svg = plot as SvgElement;
    // Plot's style sheet serves tips and HTML pages; a strict content security policy would refuse it.
    for (const style of svg.querySelectorAll("style")) style.remove();
    const place = {
      x,
      y,
      "font-size": fontSize,
      "font-family": fontFamily,
      fill: this.theme.ink,
      color: this.theme.ink,
    };
    for (const [key, value] of Object.entries(place)) svg.setAttribute(key, String(value));
    this.root.append(svg);
  }

  /** The SVG text, with a newline. */
  toString(): string {
    return `${this.root.outerHTML}\n`;
  }

  private make(name: string, attributes: Record<string, string | number>, text?: string): SvgElement {
    const made = this.host.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes))
      made.setAttribute(key, attributeText(String(value)));
    if (text !== undefined) made.textContent = text;
    return made;
  }
}
