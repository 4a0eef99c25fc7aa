import { Branch } from "./branch.js";
import { type Build, type Row, row, type ScalarType } from "./scalar.js";

/**
 * A typed scalar expression, hash-consed: equal expressions are the same object, so a shared subterm is
 * computed once. `input` reads operand `value` of the step, `core` the kernel's own result number `value`
 * (a max window has two: the maximum and where it was), `const` a structural constant. Numbers that users
 * give are inputs, never constants: a new learning rate compiles nothing.
 */
export interface Expr {
  readonly id: number;
  readonly type: ScalarType;
  /** A row's name, or `input`, `const`, `core`. */
  readonly row: string;
  readonly args: readonly Expr[];
  readonly value: number;
}

const interned = new Branch<Expr>();
let count = 0;

function intern(row_: Expr["row"], type: ScalarType, args: readonly Expr[], value: number): Expr {
  let at = interned.to(row_).to(type).to(value);
  for (const arg of args) at = at.to(arg.id);
  at.value ??= { id: count++, type, row: row_, args, value };
  return at.value;
}

export function input(index: number, type: ScalarType): Expr {
  return intern("input", type, [], index);
}

export function core(index: number, type: ScalarType): Expr {
  return intern("core", type, [], index);
}

export function constant(value: number, type: ScalarType): Expr {
  return intern("const", type, [], value);
}

/** Applies a row, checks its types and simplifies what is exact in floating point. */
export function call(name: string, ...args: Expr[]): Expr {
  const record: Row = row(name);
  let generic: ScalarType | undefined;
  record.args.forEach((expected, i) => {
    const actual = args[i]?.type;
    if (expected === "T") generic ??= actual;
    if (actual !== (expected === "T" ? generic : expected) || (expected === "T" && actual === "bool")) {
      throw new TypeError(
        `${name}: argument ${i} is ${actual}, expected ${expected === "T" ? (generic ?? "a number") : expected}`,
      );
    }
  });
  const type = record.result === "T" ? generic! : record.result;
  return simplify(name, type, args) ?? intern(name, type, args, 0);
}

function isConst(e: Expr | undefined, value: number): boolean {
  return e?.row === "const" && e.value === value;
}

/** Identities that change no bit of a finite result; what derivatives of the table leave behind. */
function simplify(name: string, type: ScalarType, args: readonly Expr[]): Expr | null {
  const [a, b, c] = args as [Expr, Expr, Expr];
  switch (name) {
    case "mul":
      if (isConst(a, 1)) return b;
      if (isConst(b, 1)) return a;
      if (isConst(a, -1)) return call("neg", b);
      if (isConst(b, -1)) return call("neg", a);
      if (isConst(a, 0) || isConst(b, 0)) return constant(0, type);
      // g * (c ? x : 0) = c ? g * x : 0: a masked gradient stays a select.
      if (b.row === "select" && isConst(b.args[2], 0)) {
        return call("select", b.args[0]!, call("mul", a, b.args[1]!), constant(0, type));
      }
      if (b.row === "select" && isConst(b.args[1], 0)) {
        return call("select", b.args[0]!, constant(0, type), call("mul", a, b.args[2]!));
      }
      return null;
    case "add":
      if (isConst(a, 0)) return b;
      if (isConst(b, 0)) return a;
      return null;
    case "sub":
      return isConst(b, 0) ? a : null;
    case "neg":
      return a.row === "neg" ? a.args[0]! : null;
    case "select":
      return b === c ? b : null;
    case "ne":
      return a.row === "i32FromBool" && isConst(b, 0) ? a.args[0]! : null;
    default:
      return null;
  }
}

const builder: Build<Expr> = {
  call,
  constant: (value) => constant(value, "f32"),
};

/** Every subterm once, arguments before users. */
export function postorder(roots: readonly Expr[]): Expr[] {
  const seen = new Set<Expr>();
  const out: Expr[] = [];
  const visit = (e: Expr): void => {
    if (seen.has(e)) return;
    seen.add(e);
    for (const arg of e.args) visit(arg);
    out.push(e);
  };
  for (const root of roots) visit(root);
  return out;
}

/** Replaces inputs and cores: `leaf` returns what stands for one, or itself. */
export function substitute(root: Expr, leaf: (e: Expr) => Expr): Expr {
  const done = new Map<Expr, Expr>();
  for (const e of postorder([root])) {
    if (e.row === "input" || e.row === "core") done.set(e, leaf(e));
    else if (e.row === "const") done.set(e, e);
    else {
      const args = e.args.map((arg) => done.get(arg)!);
      done.set(e, args.every((arg, i) => arg === e.args[i]) ? e : call(e.row, ...args));
    }
  }
  return done.get(root)!;
}

/** Numbers of the inputs that an expression reads, ascending. */
export function inputsOf(roots: readonly Expr[]): number[] {
  const found = new Set<number>();
  for (const e of postorder(roots)) if (e.row === "input") found.add(e.value);
  return [...found].sort((a, b) => a - b);
}

/**
 * Derivatives of `root` times `upstream` by each f32 input in `wrt` (null where it does not depend on it).
 * `result` may stand for the root's own value, so that it is read back instead of computed again.
 */
export function differentiate(
  root: Expr,
  upstream: Expr,
  wrt: readonly number[],
  result: Expr = root,
): (Expr | null)[] {
  const adjoint = new Map<Expr, Expr>([[root, upstream]]);
  const order = postorder([root]);
  for (let i = order.length - 1; i >= 0; i--) {
    const e = order[i]!;
    const g = adjoint.get(e);
    if (!g || e.row === "input" || e.row === "const" || e.row === "core") continue;
    const partials = row(e.row).derivative?.(builder, [...e.args], e === root ? result : e);
    if (!partials || e.type !== "f32") continue;
    e.args.forEach((arg, k) => {
      const partial = partials[k];
      if (!partial || arg.type !== "f32") return;
      const term = call("mul", g, partial);
      const before = adjoint.get(arg);
      adjoint.set(arg, before ? call("add", before, term) : term);
    });
  }
  return wrt.map((index) => {
    const found = adjoint.get(input(index, "f32"));
    return found && !isConst(found, 0) ? found : null;
  });
}

/** Readable text: `relu(add(core0, in1))`. */
export function showExpr(e: Expr): string {
  if (e.row === "input") return `in${e.value}`;
  if (e.row === "core") return `core${e.value}`;
  if (e.row === "const") return `${e.value}`;
  return `${e.row}(${e.args.map(showExpr).join(", ")})`;
}

/** The value of an expression at one element: the executable specification of every device's renderer. */
export function compileExpr(root: Expr): (inputs: ArrayLike<number>, cores: ArrayLike<number>) => number {
  const order = postorder([root]);
  const slot = new Map(order.map((e, i) => [e, i]));
  const memory = new Float64Array(order.length);
  const program = order.map((e, i): ((inputs: ArrayLike<number>, cores: ArrayLike<number>) => void) => {
    if (e.row === "input")
      return (inputs) => {
        memory[i] = inputs[e.value]!;
      };
    if (e.row === "core")
      return (_, cores) => {
        memory[i] = cores[e.value]!;
      };
    if (e.row === "const") {
      const value = e.type === "f32" ? Math.fround(e.value) : e.value;
      return () => {
        memory[i] = value;
      };
    }
    const record = row(e.row);
    const compute = (e.type !== "f32" && record.integer) || record.value;
    const [a = 0, b = 0, c = 0, d = 0] = e.args.map((arg) => slot.get(arg)!);
    if (e.type === "f32")
      return () => {
        memory[i] = Math.fround(compute(memory[a]!, memory[b]!, memory[c]!, memory[d]!));
      };
    if (e.type === "u32")
      return () => {
        memory[i] = compute(memory[a]!, memory[b]!, memory[c]!, memory[d]!) >>> 0;
      };
    return () => {
      memory[i] = compute(memory[a]!, memory[b]!, memory[c]!, memory[d]!) | 0;
    };
  });
  const last = order.length - 1;
  return (inputs, cores) => {
    for (const run of program) run(inputs, cores);
    return memory[last]!;
  };
}
