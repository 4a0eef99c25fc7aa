import { call, type Expr, postorder } from "../core/expression.js";
import { type Row, rows, type ScalarType } from "../core/scalar.js";

/** A row at one type: what one instruction of the CPU's tile interpreter does. Its opcode is its position. */
export interface Body {
  readonly name: string;
  readonly args: readonly ScalarType[];
  readonly result: ScalarType;
  readonly cpp: string;
}

/** Every instruction, in the table's order; the addon's build generates a function from each. */
export const bodies: readonly Body[] = Object.entries<Row>(rows).flatMap(([name, { args, result, cpp }]) => {
  const generic = args.includes("T");
  const types: ScalarType[] = generic ? ["f32", "i32", "u32"] : [args[0] as ScalarType];
  return types.map((type) => ({
    name: generic ? `${name}_${type}` : name,
    args: args.map((arg) => (arg === "T" ? type : arg)),
    result: result === "T" ? type : result,
    cpp,
  }));
});

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

/** Renders all outputs of a step together; shared terms are computed once. */
export function renderTiles(exprs: readonly Expr[], operands: number): TileProgram {
  const roots = exprs.map((expr) => (expr.type === "bool" ? call("i32FromBool", expr) : expr));
  const order = postorder(roots);
  const lastUse = new Map<Expr, number>();
  order.forEach((e, i) => {
    for (const arg of e.args) lastUse.set(arg, i);
  });
  for (const root of roots) lastUse.set(root, Number.POSITIVE_INFINITY);

  const constants: number[] = [];
  const registerOf = new Map<Expr, number>();
  const free: number[] = [];
  let registers = 0;
  const computed = (e: Expr): boolean => e.row !== "input" && e.row !== "core" && e.row !== "const";
  const code: { readonly e: Expr; readonly to: number }[] = [];
  order.forEach((e, i) => {
    if (!computed(e)) return;
    // A dying argument's register may take the result: instructions go lane by lane.
    for (const arg of new Set(e.args)) {
      if (computed(arg) && lastUse.get(arg) === i) free.push(registerOf.get(arg)!);
    }
    const to = free.pop() ?? registers++;
    registerOf.set(e, to);
    code.push({ e, to });
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
  const instructions = code.map(({ e, to }) => {
    const args = e.args.map(slot);
    return [opcodeOf(e), to, args[0]!, args[1] ?? args[0]!, args[2] ?? args[0]!, args[3] ?? args[0]!];
  });
  const results = roots.map(slot);
  return { registers, operands, constants, instructions, results };
}

function opcodeOf(e: Expr): number {
  const generic = (rows[e.row as keyof typeof rows] as Row).args.lastIndexOf("T");
  return opcodes.get(generic < 0 ? e.row : `${e.row}_${e.args[generic]!.type}`)!;
}

function constantBits(e: Expr): number {
  if (e.type === "f32") return new Int32Array(new Float32Array([e.value]).buffer)[0]!;
  return e.type === "bool" ? -e.value : e.value | 0;
}
