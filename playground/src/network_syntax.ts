/** A mistake in a network's text, with where it is. */
export class CodeError extends Error {
  constructor(
    sentence: string,
    /** Characters before it. */
    readonly offset: number,
  ) {
    super(sentence);
  }
}

export type Literal = number | string | boolean | null | readonly Literal[] | Fields;

/** Own properties only; the prototype is null. */
export interface Fields {
  readonly [name: string]: Literal;
}

/** An argument, with where it begins. */
export interface Argument {
  readonly value: Literal | Call;
  readonly offset: number;
}

/** `nn.name(...)`. */
export class Call {
  constructor(
    readonly name: string,
    readonly args: readonly Argument[],
    /** Where it begins. */
    readonly offset: number,
    /** Where its name begins and its closing bracket ends, for those who change the text. */
    readonly nameOffset: number,
    readonly end: number,
  ) {}
}

interface Token {
  readonly kind: "name" | "number" | "string" | "mark" | "end";
  readonly text: string;
  readonly offset: number;
}

/** More than any network needs that a person writes; a link may hold anything. */
const longestText = 20_000;
const deepestNesting = 50;

const patterns = [
  ["space", /(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)+/y],
  ["name", /[A-Za-z_$][\w$]*/y],
  ["number", /-?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y],
  ["string", /"[^"\n\\]*"|'[^'\n\\]*'/y],
  ["mark", /[()[\]{},.:;]/y],
] as const;

function tokens(text: string): Token[] {
  const found: Token[] = [];
  let offset = 0;
  while (offset < text.length) {
    const [kind, match] = matchAt(text, offset);
    if (kind !== "space") found.push({ kind, text: match, offset });
    offset += match.length;
  }
  found.push({ kind: "end", text: "the end", offset });
  return found;
}

function matchAt(text: string, offset: number): [(typeof patterns)[number][0], string] {
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = offset;
    const match = pattern.exec(text);
    if (match) return [kind, match[0]];
  }
  throw new CodeError(
    `${JSON.stringify(String.fromCodePoint(text.codePointAt(offset)!))} has no meaning here; a network is made of nn calls, numbers, [lists] and { options }`,
    offset,
  );
}

class Parser {
  private at = 0;
  private depth = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  network(): Call {
    const { next } = this;
    if (next.text !== "nn") this.fail("nn.sequential(...)");
    const call = this.call();
    this.take(";");
    if (this.next.kind !== "end") this.fail("nothing after the network");
    return call;
  }

  private get next(): Token {
    return this.tokens[this.at]!;
  }

  private fail(expected: string): never {
    const { text, kind, offset } = this.next;
    throw new CodeError(
      `expected ${expected}, found ${kind === "end" ? text : JSON.stringify(text)}`,
      offset,
    );
  }

  /** Steps over a mark if it is next. */
  private take(mark: string): boolean {
    const isNext = this.next.kind === "mark" && this.next.text === mark;
    if (isNext) this.at++;
    return isNext;
  }

  private expect(mark: string): void {
    if (!this.take(mark)) this.fail(JSON.stringify(mark));
  }

  private call(): Call {
    const { offset } = this.next;
    this.at++;
    this.expect(".");
    const name = this.next;
    if (name.kind !== "name") this.fail("the name of a layer");
    this.at++;
    this.expect("(");
    const args: Argument[] = this.list(")", () => ({ offset: this.next.offset, value: this.value() }));
    return new Call(name.text, args, offset, name.offset, this.tokens[this.at - 1]!.offset + 1);
  }

  /** What `item` reads, between commas, to the closing mark; a comma may come last. */
  private list<T>(close: string, item: () => T): T[] {
    if (++this.depth > deepestNesting)
      throw new CodeError(`brackets lie more than ${deepestNesting} deep`, this.next.offset);
    const items: T[] = [];
    while (!this.take(close)) {
      items.push(item());
      if (!this.take(",") && !(this.next.kind === "mark" && this.next.text === close))
        this.fail(`"," or ${JSON.stringify(close)}`);
    }
    this.depth--;
    return items;
  }

  private value(): Literal | Call {
    return this.next.text === "nn" ? this.call() : this.literal();
  }

  private literal(): Literal {
    const token = this.next;
    if (this.take("[")) return this.list("]", () => this.literal());
    if (this.take("{")) return this.fields();
    this.at++;
    if (token.kind === "number") return Number(token.text.replaceAll("_", ""));
    if (token.kind === "string") return token.text.slice(1, -1);
    if (token.text === "true" || token.text === "false") return token.text === "true";
    if (token.text === "null") return null;
    this.at--;
    return this.fail("a layer, a number, a [list] or { options }");
  }

  private fields(): Fields {
    const fields: Record<string, Literal> = Object.create(null);
    this.list("}", () => {
      const { kind, text, offset } = this.next;
      if (kind !== "name") this.fail("the name of an option");
      if (text in fields) throw new CodeError(`${text} is given twice`, offset);
      this.at++;
      this.expect(":");
      fields[text] = this.literal();
    });
    return fields;
  }
}

/** Reads nested `nn` calls with literals; nothing is evaluated. Throws a CodeError with a sentence. */
export function parseNetwork(text: string): Call {
  if (text.length > longestText)
    throw new CodeError(`the text has ${text.length} characters; keep it under ${longestText}`, longestText);
  return new Parser(tokens(text)).network();
}

/** Line and column of a place in a text, counted from 1. */
export function placeOf(text: string, offset: number): { line: number; column: number } {
  const lines = text.slice(0, offset).split("\n");
  return { line: lines.length, column: lines.at(-1)!.length + 1 };
}
