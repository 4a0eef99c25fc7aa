const hideCursor = "\u001b[?25l";
const showCursor = "\u001b[?25h";
const cutLines = "\u001b[?7l";
const wrapLines = "\u001b[?7h";
const clearToEndOfLine = "\u001b[K";
const clearBelow = "\u001b[J";

/**
 * Lines at the end of a terminal's text that are redrawn in place. In between the cursor rests on the first of them, so
 * that erasing is from there on down, however many rows a resized terminal has made of them.
 */
export class LiveArea {
  private isShown = false;

  constructor(private readonly stream: NodeJS.WritableStream) {}

  /** Replaces what was drawn; lines that are too long are cut, but there must be fewer than the terminal has rows. */
  draw(lines: readonly string[]): void {
    const first = this.isShown ? "" : hideCursor;
    this.isShown = true;
    const back = lines.length > 1 ? `\u001b[${lines.length - 1}A` : "";
    const text = lines.map((line) => `${line}${clearToEndOfLine}`).join("\n");
    // In one piece and over what is there, so that nothing flickers.
    this.stream.write(`${first}${cutLines}\r${text}${clearBelow}\r${back}${wrapLines}`);
  }

  /** Writes a line before the drawn ones, which are gone until they are drawn again. */
  print(text: string): void {
    this.stream.write(`${this.isShown ? `\r${clearBelow}` : ""}${text}\n`);
  }

  /** Leaves lines for good in place of the drawn ones and gives the cursor back; does nothing where none are drawn. */
  end(lines: readonly string[]): void {
    if (!this.isShown) return;
    this.isShown = false;
    this.stream.write(`\r${clearBelow}${lines.map((line) => `${line}\n`).join("")}${showCursor}`);
  }
}
