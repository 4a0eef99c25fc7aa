import { type Expr, postorder } from "../core/expression.js";
import { row } from "../core/scalar.js";

/** Expressions as WGSL: statements that name every shared term once, and the name of each expression's value. */
export interface WgslBlock {
  readonly statements: readonly string[];
  readonly results: readonly string[];
}

/**
 * Renders expressions together. Operand i is called `in<i>`, core i `core<i>`: who prints the block declares them.
 * Every term has a `let` of its own, since WGSL evaluates nothing at compile time that hangs on one: an overflow or a
 * division by zero among constants would be an error.
 */
export function renderWgsl(exprs: readonly Expr[]): WgslBlock {
  const statements: string[] = [];
  const names = new Map<Expr, string>();
  for (const e of postorder(exprs)) {
    if (e.row === "input" || e.row === "core") {
      names.set(e, `${e.row === "input" ? "in" : "core"}${e.value}`);
      continue;
    }
    const name = `t${statements.length}`;
    names.set(e, name);
    statements.push(`let ${name} = ${e.row === "const" ? literal(e) : called(e, names)};`);
  }
  return { statements, results: exprs.map((expr) => names.get(expr)!) };
}

function called(e: Expr, names: ReadonlyMap<Expr, string>): string {
  const { wgsl, args } = row(e.row);
  const generic = args.lastIndexOf("T");
  const text = generic < 0 ? wgsl : wgsl.replaceAll("_T", `_${e.args[generic]!.type}`);
  return text.replace(/\b[abcd]\b/g, (letter) => names.get(e.args["abcd".indexOf(letter)]!)!);
}

/** A constant's WGSL text, exact. */
export function literal({ type, value }: Pick<Expr, "type" | "value">): string {
  if (type === "bool") return value ? "true" : "false";
  if (type === "u32") return `${value >>> 0}u`;
  if (type === "i32") return `bitcast<i32>(${value >>> 0}u)`;
  if (Number.isNaN(value)) return "nan()";
  const rounded = Math.fround(value);
  if (!Number.isFinite(rounded)) return rounded > 0 ? "infinity()" : "-infinity()";
  if (Object.is(rounded, -0)) return "bitcast<f32>(0x80000000u)";
  return `${rounded}f`;
}
