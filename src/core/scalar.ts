/**
 * The table of scalar functions: one row each, with its types, its value in TypeScript (the executable
 * specification), its derivative, its C++ source over vectors and its WGSL source. A pointwise op is an expression
 * over rows, so a new one is a line here and a line in the conformance cases.
 */

/** Types inside an expression. A `u8` tensor is read as i32, a `bool` stored as i32 0 or 1. */
export type ScalarType = "f32" | "i32" | "u32" | "bool";

/** Builds expressions by row name; what derivatives are written in. */
export interface Build<X> {
  /** `row` names a row of the table (a string here, or the table's type would refer to itself). */
  call(row: string, ...args: X[]): X;
  constant(value: number): X;
}

/** Partial derivatives of a row by argument (null: none), given its arguments and its result. */
type Derivative = <X>(b: Build<X>, args: X[], result: X) => (X | null)[];

export interface Row {
  /** Argument types and result; `T` is any of f32, i32, u32, the same throughout. */
  readonly args: readonly (ScalarType | "T")[];
  readonly result: ScalarType | "T";
  readonly value: (...args: number[]) => number;
  /** Where integer arithmetic differs from float. */
  readonly integer?: (...args: number[]) => number;
  /** C++ over vectors a, b, c, d of the argument types; bools are lane masks, 0 or -1. */
  readonly cpp: string;
  /** WGSL over a, b, c, d; `_T` in a name stands for the common type. What it calls is in render/wgsl_functions.ts. */
  readonly wgsl: string;
  readonly derivative?: Derivative;
}

const f = "f32" as const;
const T = "T" as const;

function unary(value: (x: number) => number, cpp: string, wgsl: string, derivative: Derivative): Row {
  return { args: [f], result: f, value, cpp, wgsl, derivative };
}

function compare(value: (a: number, b: number) => boolean, cpp: string, wgsl = cpp): Row {
  return { args: [T, T], result: "bool", value: (a, b) => (value(a, b) ? 1 : 0), cpp, wgsl };
}

const flat: Derivative = (b) => [b.constant(0)];

export const rows = {
  add: {
    args: [T, T],
    result: T,
    value: (a, b) => a + b,
    cpp: "a + b",
    wgsl: "a + b",
    derivative: (b) => [b.constant(1), b.constant(1)],
  },
  sub: {
    args: [T, T],
    result: T,
    value: (a, b) => a - b,
    cpp: "a - b",
    wgsl: "a - b",
    derivative: (b) => [b.constant(1), b.constant(-1)],
  },
  mul: {
    args: [T, T],
    result: T,
    value: (a, b) => a * b,
    integer: Math.imul,
    cpp: "a * b",
    wgsl: "a * b",
    derivative: (_, [x, y]) => [y!, x!],
  },
  div: {
    args: [f, f],
    result: f,
    value: (a, b) => a / b,
    cpp: "a / b",
    wgsl: "a / b",
    derivative: (b, [, y], result) => [
      b.call("div", b.constant(1), y!),
      b.call("neg", b.call("div", result, y!)),
    ],
  },
  pow: {
    args: [f, f],
    result: f,
    value: (a, b) => a ** b,
    cpp: "pow_v(a, b)",
    wgsl: "pow_of(a, b)",
    derivative: (b, [x, y], result) => [
      // x to the power 0 is constant, at 0 too.
      b.call(
        "select",
        b.call("eq", y!, b.constant(0)),
        b.constant(0),
        b.call("mul", y!, b.call("pow", x!, b.call("sub", y!, b.constant(1)))),
      ),
      b.call(
        "select",
        b.call("gt", x!, b.constant(0)),
        b.call("mul", result, b.call("log", x!)),
        b.constant(0),
      ),
    ],
  },
  max: {
    args: [T, T],
    result: T,
    value: (a, b) => (a >= b || Number.isNaN(a) ? a : b),
    cpp: "(a >= b) | (a != a) ? a : b",
    wgsl: "max_T(a, b)",
    derivative: (b, [x, y]) => {
      const first = b.call("ge", x!, y!);
      return [
        b.call("select", first, b.constant(1), b.constant(0)),
        b.call("select", first, b.constant(0), b.constant(1)),
      ];
    },
  },
  min: {
    args: [T, T],
    result: T,
    value: (a, b) => (a <= b || Number.isNaN(a) ? a : b),
    cpp: "(a <= b) | (a != a) ? a : b",
    wgsl: "min_T(a, b)",
    derivative: (b, [x, y]) => {
      const first = b.call("le", x!, y!);
      return [
        b.call("select", first, b.constant(1), b.constant(0)),
        b.call("select", first, b.constant(0), b.constant(1)),
      ];
    },
  },
  neg: {
    args: [T],
    result: T,
    value: (a) => -a,
    cpp: "-a",
    wgsl: "neg_T(a)",
    derivative: (b) => [b.constant(-1)],
  },
  abs: unary(Math.abs, "abs_v(a)", "abs(a)", (b, [x]) => [b.call("sign", x!)]),
  sign: unary((a) => (a > 0 ? 1 : a < 0 ? -1 : a), "sign_v(a)", "sign_of(a)", flat),
  floor: unary(Math.floor, "floor_v(a)", "floor(a)", flat),
  ceil: unary(Math.ceil, "ceil_v(a)", "ceil(a)", flat),
  exp: unary(Math.exp, "exp_v(a)", "exp_of(a)", (_b, _x, result) => [result]),
  log: unary(Math.log, "log_v(a)", "log_of(a)", (b, [x]) => [b.call("div", b.constant(1), x!)]),
  sqrt: unary(Math.sqrt, "sqrt_v(a)", "sqrt(a)", (b, _x, result) => [b.call("div", b.constant(0.5), result)]),
  sin: unary(Math.sin, "sin_v(a)", "sin_of(a)", (b, [x]) => [b.call("cos", x!)]),
  cos: unary(Math.cos, "cos_v(a)", "cos_of(a)", (b, [x]) => [b.call("neg", b.call("sin", x!))]),
  tanh: unary(Math.tanh, "tanh_v(a)", "tanh_of(a)", (b, _x, result) => [
    b.call("sub", b.constant(1), b.call("mul", result, result)),
  ]),
  sigmoid: unary(
    (a) => 1 / (1 + Math.exp(-a)),
    "sigmoid_v(a)",
    "sigmoid_of(a)",
    (b, _x, result) => [b.call("mul", result, b.call("sub", b.constant(1), result))],
  ),
  softplus: unary(
    (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))),
    "softplus_v(a)",
    "softplus_of(a)",
    (b, [x]) => [b.call("sigmoid", x!)],
  ),
  relu: unary(
    (a) => Math.max(a, 0),
    "a <= 0.0f ? zero : a",
    "relu_of(a)",
    (b, _x, result) => [b.call("select", b.call("gt", result, b.constant(0)), b.constant(1), b.constant(0))],
  ),
  eq: compare((a, b) => a === b, "a == b"),
  ne: compare((a, b) => a !== b, "a != b", "ne_T(a, b)"),
  lt: compare((a, b) => a < b, "a < b"),
  le: compare((a, b) => a <= b, "a <= b"),
  gt: compare((a, b) => a > b, "a > b"),
  ge: compare((a, b) => a >= b, "a >= b"),
  select: {
    args: ["bool", T, T],
    result: T,
    value: (c, a, b) => (c ? a : b),
    cpp: "a ? b : c",
    wgsl: "select(c, b, a)",
    derivative: (b, [condition]) => [
      null,
      b.call("select", condition!, b.constant(1), b.constant(0)),
      b.call("select", condition!, b.constant(0), b.constant(1)),
    ],
  },
  f32FromI32: { args: ["i32"], result: f, value: Math.fround, cpp: "f32_from_i32(a)", wgsl: "f32(a)" },
  i32FromF32: { args: [f], result: "i32", value: toI32, cpp: "i32_from_f32(a)", wgsl: "i32_from_f32(a)" },
  i32FromBool: { args: ["bool"], result: "i32", value: (a) => a, cpp: "-a", wgsl: "select(0i, 1i, a)" },
  u32FromI32: { args: ["i32"], result: "u32", value: (a) => a >>> 0, cpp: "(U)a", wgsl: "bitcast<u32>(a)" },
  i32FromU32: { args: ["u32"], result: "i32", value: (a) => a | 0, cpp: "(I)a", wgsl: "bitcast<i32>(a)" },
  and: { args: ["bool", "bool"], result: "bool", value: (a, b) => a & b, cpp: "a & b", wgsl: "a & b" },
  or: { args: ["bool", "bool"], result: "bool", value: (a, b) => a | b, cpp: "a | b", wgsl: "a | b" },
  not: { args: ["bool"], result: "bool", value: (a) => 1 - a, cpp: "~a", wgsl: "!a" },
  /** Word 0 of Philox4x32-10 (Salmon et al., 2011) for counter (index, draw, 0, 0) and key (low, high). */
  philox: {
    args: ["u32", "u32", "u32", "u32"],
    result: "u32",
    value: (index, draw, low, high) => philox4x32([index, draw, 0, 0], [low, high])[0],
    cpp: "philox_v(a, b, c, d)",
    wgsl: "philox(a, b, c, d)",
  },
  /** The upper 24 bits as a float32 in [0, 1). */
  unitFromU32: {
    args: ["u32"],
    result: f,
    value: (a) => (a >>> 8) * 2 ** -24,
    cpp: "unit_from_u32(a)",
    wgsl: "f32(a >> 8u) * 5.9604644775390625e-8f",
  },
} satisfies Record<string, Row>;

export type RowName = keyof typeof rows;

/** A row by name, under the table's common type. Throws a TypeError on an unknown name. */
export function row(name: string): Row {
  const found: Row | undefined = rows[name as RowName];
  if (!found) throw new TypeError(`there is no scalar function named ${name}`);
  return found;
}

/** Truncates towards zero and saturates, NaN to 0: what the processors' conversions are made to do as well. */
function toI32(a: number): number {
  if (Number.isNaN(a)) return 0;
  return Math.max(-2147483648, Math.min(2147483647, Math.trunc(a)));
}

/** The upper 32 bits of the product of two u32, in halves, since a number holds 53 bits of it. */
export function mulHigh(a: number, b: number): number {
  const [a1, a0, b1, b0] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  return a1 * b1 + Math.floor(middle / 2 ** 16) + Math.floor(((middle & 0xffff) + a0 * b1) / 2 ** 16);
}

/** Ten rounds of Philox4x32: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0) >>> 0;
    const high1 = mulHigh(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2) >>> 0;
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}
