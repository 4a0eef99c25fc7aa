import { Writable } from "node:stream";

/** A terminal's stream that understands what a redraw needs: line feeds, cursor up, erasing; lines are cut, never wrapped. */
export class Screen extends Writable {
  readonly isTTY = true;
  /** All that was written. */
  written = "";
  /** Whether the cursor is to be seen. */
  hasCursor = true;
  private readonly rowsOfText: string[][] = [[]];
  private x = 0;
  private y = 0;

  constructor(
    public columns = 100,
    public rows = 40,
  ) {
    super({ decodeStrings: false });
  }

  /** What stands on it, line by line, without what is blank at the end. */
  get lines(): string[] {
    const lines = this.rowsOfText.map((row) => row.join("").trimEnd());
    return lines.slice(0, lines.findLastIndex((line) => line !== "") + 1);
  }

  get stream(): NodeJS.WriteStream {
    return this as unknown as NodeJS.WriteStream;
  }

  override _write(text: string, _encoding: string, done: () => void): void {
    this.show(text);
    done();
  }

  private show(text: string): void {
    this.written += text;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what terminals are told by.
    for (const [part, count, command] of text.matchAll(/\u001b\[([?\d]*)([A-Za-z])|[\s\S]/gu)) {
      if (part === "\n") this.lineFeed();
      else if (part === "\r") this.x = 0;
      else if (command === undefined) this.put(part);
      else this.obey(command, count!);
    }
  }

  private lineFeed(): void {
    this.x = 0;
    this.y++;
    this.rowsOfText[this.y] ??= [];
  }

  private put(letter: string): void {
    const row = this.rowsOfText[this.y]!;
    while (row.length < this.x) row.push(" ");
    row[this.x] = letter;
    this.x = Math.min(this.x + 1, this.columns - 1);
  }

  private obey(command: string, count: string): void {
    if (command === "A") this.y = Math.max(0, this.y - Number(count || 1));
    else if (command === "K" || command === "J") {
      this.rowsOfText[this.y]!.length = Math.min(this.x, this.rowsOfText[this.y]!.length);
      if (command === "J") this.rowsOfText.length = this.y + 1;
    } else if (count === "?25") this.hasCursor = command === "h";
    else if (command !== "m" && count !== "?7")
      throw new Error(`an escape that is not known: ${count}${command}`);
  }
}
