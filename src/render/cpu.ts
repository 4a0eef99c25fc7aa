import { call, type Expr, postorder } from "../core/expression.js";
import { type Row, rows, type ScalarType } from "../core/scalar.js";

/** A row at one type: what one instruction of the CPU's tile interpreter does. Its opcode is its position. */
export interface Body {
  readonly name: string;
  readonly args: readonly ScalarType[];
  readonly result: ScalarType;
  readonly cpp: string;
}

const tableBodies: readonly Body[] = Object.entries<Row>(rows).flatMap(([name, { args, result, cpp }]) => {
  const generic = args.includes("T");
  const types: ScalarType[] = generic ? ["f32", "i32", "u32"] : [args[0] as ScalarType];
  return types.map((type) => ({
    name: generic ? `${name}_${type}` : name,
    args: args.map((arg) => (arg === "T" ? type : arg)),
    result: result === "T" ? type : result,
    cpp,
  }));
});

/**
 * Instructions that do the work of two, so that what lies between is never written to a tile: bias and activation,
 * an optimizer's update, gradients that read an activation's result. The second becomes that argument of the first.
 */
const pairs: readonly (readonly [outer: string, argument: number, inner: string])[] = [
  ["mul_f32", 0, "f32FromI32"],
  ["mul_f32", 1, "mul_f32"],
  ["mul_f32", 1, "sub_f32"],
  ["add_f32", 0, "mul_f32"],
  ["add_f32", 1, "mul_f32"],
  ["sub_f32", 1, "mul_f32"],
  ["relu", 0, "add_f32"],
  ["sigmoid", 0, "add_f32"],
  ["mul_f32", 1, "mul_f32_1_sub_f32"],
  ["mul_f32", 1, "sub_f32_1_mul_f32"],
];

function pairName(outer: string, argument: number, inner: string): string {
  return `${outer}_${argument}_${inner}`;
}

/** The body of a pair: the inner row's text stands where the outer one's argument stood. */
function pairBody([outerName, argument, innerName]: (typeof pairs)[number], known: readonly Body[]): Body {
  const outer = known.find(({ name }) => name === outerName)!;
  const inner = known.find(({ name }) => name === innerName)!;
  const rename = (cpp: string, by: (index: number) => string): string =>
    cpp.replace(/\b[abcd]\b/g, (letter) => by("abcd".indexOf(letter)));
  const within = rename(inner.cpp, (i) => "abcd"[argument + i]!);
  const cpp = rename(outer.cpp, (i) =>
    i === argument ? `(${within})` : "abcd"[i < argument ? i : i + inner.args.length - 1]!,
  );
  const args = outer.args.toSpliced(argument, 1, ...inner.args);
  return { name: pairName(outerName, argument, innerName), args, result: outer.result, cpp };
}

/** Every instruction: the table's rows, then pairs. The addon's build generates a function from each. */
export const bodies: readonly Body[] = (() => {
  const known = [...tableBodies];
  for (const pair of pairs) known.push(pairBody(pair, known));
  return known;
})();

const opcodes = new Map(bodies.map((body, opcode) => [body.name, opcode]));

/** Changes with the instructions, so that an addon built from another table is refused. */
export const tableHash: number = (() => {
  let hash = 0x811c9dc5;
  for (const char of JSON.stringify(bodies)) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
  return hash | 0;
})();

/**
 * Expressions as straight-line code over tiles. Slots are numbered registers first, then the step's operands,
 * then two cores, then constants.
 */
export interface TileProgram {
  readonly registers: number;
  readonly operands: number;
  /** 32-bit patterns. */
  readonly constants: readonly number[];
  /** Opcode, result register, four argument slots (unused ones repeat the first). */
  readonly instructions: readonly (readonly number[])[];
  /** The slot of each expression's value. */
  readonly results: readonly number[];
}

interface Term {
  readonly body: string;
  readonly args: readonly Expr[];
}

const computed = (e: Expr): boolean => e.row !== "input" && e.row !== "core" && e.row !== "const";

/** The instruction that computes each expression; one that only another reads joins it where a pair does both. */
function terms(order: readonly Expr[], roots: readonly Expr[]): Map<Expr, Term> {
  const uses = new Map<Expr, number>();
  for (const e of [...order.flatMap(({ args }) => args), ...roots]) uses.set(e, (uses.get(e) ?? 0) + 1);
  const found = new Map<Expr, Term>();
  for (const e of order) {
    if (!computed(e)) continue;
    let term: Term = { body: bodyOf(e), args: e.args };
    for (const [argument, arg] of e.args.entries()) {
      const inner = found.get(arg);
      if (!inner || uses.get(arg) !== 1) continue;
      const body = pairName(term.body, argument, inner.body);
      if (!opcodes.has(body)) continue;
      term = { body, args: e.args.toSpliced(argument, 1, ...inner.args) };
      found.delete(arg);
      break;
    }
    found.set(e, term);
  }
  return found;
}

/** Renders all outputs of a step together; shared terms are computed once. */
export function renderTiles(exprs: readonly Expr[], operands: number): TileProgram {
  const roots = exprs.map((expr) => (expr.type === "bool" ? call("i32FromBool", expr) : expr));
  const code = [...terms(postorder(roots), roots)];
  const lastUse = new Map<Expr, number>();
  code.forEach(([, { args }], i) => {
    for (const arg of args) lastUse.set(arg, i);
  });
  for (const root of roots) lastUse.set(root, Number.POSITIVE_INFINITY);

  const constants: number[] = [];
  const registerOf = new Map<Expr, number>();
  const free: number[] = [];
  let registers = 0;
  const targets = code.map(([e, { args }], i) => {
    // A dying argument's register may take the result: instructions go lane by lane.
    for (const arg of new Set(args)) {
      if (computed(arg) && lastUse.get(arg) === i) free.push(registerOf.get(arg)!);
    }
    const to = free.pop() ?? registers++;
    registerOf.set(e, to);
    return to;
  });

  // Registers are reused, so an argument's slot is looked up by expression, not by position.
  const slot = (e: Expr): number => {
    if (e.row === "input") return registers + e.value;
    if (e.row === "core") return registers + operands + e.value;
    if (e.row !== "const") return registerOf.get(e)!;
    const bits = constantBits(e);
    const known = constants.indexOf(bits);
    return registers + operands + 2 + (known < 0 ? constants.push(bits) - 1 : known);
  };
  const instructions = code.map(([, { body, args }], i) => {
    const slots = args.map(slot);
    return [
      opcodes.get(body)!,
      targets[i]!,
      slots[0]!,
      slots[1] ?? slots[0]!,
      slots[2] ?? slots[0]!,
      slots[3] ?? slots[0]!,
    ];
  });
  const results = roots.map(slot);
  return { registers, operands, constants, instructions, results };
}

function bodyOf(e: Expr): string {
  const generic = (rows[e.row as keyof typeof rows] as Row).args.lastIndexOf("T");
  return generic < 0 ? e.row : `${e.row}_${e.args[generic]!.type}`;
}

function constantBits(e: Expr): number {
  if (e.type === "f32") return new Int32Array(new Float32Array([e.value]).buffer)[0]!;
  return e.type === "bool" ? -e.value : e.value | 0;
}
