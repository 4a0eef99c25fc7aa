import type { DType, Promote } from "../core/dtype.js";
import {
  call,
  differentiate,
  type Expr,
  constant as exprConstant,
  input,
  inputsOf,
  substitute,
} from "../core/expression.js";
import { broadcastShapes, type Shape, sameShape } from "../core/shape.js";
import type { Broadcast, Checked, ShapeOf, Unknown } from "../core/shape_types.js";
import type { GradientRule } from "../graph/autograd.js";
import { type Node, record, recordView, scalarNode } from "../graph/graph.js";
import { Tensor } from "../tensor/tensor.js";

/** A tensor, or a number that stands for a tensor of no axes. */
export type TensorLike<S extends Shape = Unknown, D extends DType = Unknown> = Tensor<S, D> | number;

/** An expression as a node holds it: over inputs 0, 1, ... only, of a type that can be stored. */
interface Compact {
  readonly operation: { readonly kind: "pointwise"; readonly expr: Expr };
  /** Numbers of the inputs that the original reads. */
  readonly read: readonly number[];
  readonly dtype: "f32" | "i32" | "u32";
}

// Expressions are interned for good and recorded again each step: what follows from one is kept.
const compacts = new Map<Expr, Compact>();
const derivatives = new Map<string, readonly (Expr | null)[]>();

function compactOf(expr: Expr): Compact {
  let found = compacts.get(expr);
  if (!found) {
    const read = inputsOf([expr]);
    const to = new Map(read.map((from, k) => [from, k]));
    const compact = substitute(expr, (e) => (e.row === "input" ? input(to.get(e.value)!, e.type) : e));
    const stored = compact.type === "bool" ? call("i32FromBool", compact) : compact;
    const dtype = stored.type === "f32" ? "f32" : stored.type === "u32" ? "u32" : "i32";
    found = { operation: { kind: "pointwise", expr: stored }, read, dtype };
    compacts.set(expr, found);
  }
  return found;
}

/** Records an expression over nodes of one shape, keeping only the inputs that it reads. */
export function recordPointwise(expr: Expr, inputs: readonly Node[], shape: Shape): Node {
  return recordOver(expr, (i) => inputs[i]!, shape);
}

/** The same with a function that gives input number `i`, asked only for what the expression reads. */
function recordOver(expr: Expr, inputAt: (i: number) => Node, shape: Shape): Node {
  if (expr.row === "input") {
    const only = inputAt(expr.value);
    if (only.dtype !== "u8") return only;
  }
  const { operation, read, dtype } = compactOf(expr);
  return record(operation, read.map(inputAt), shape, dtype);
}

/** The gradient of `expr` by its inputs `wrt`, over its inputs, then the upstream gradient, then its result. */
function derivativesOf(expr: Expr, count: number, wrt: readonly number[]): readonly (Expr | null)[] {
  const key = `${expr.id} ${count} ${wrt.join()}`;
  let found = derivatives.get(key);
  if (!found) {
    found = differentiate(expr, input(count, "f32"), wrt, input(count + 1, "f32"));
    derivatives.set(key, found);
  }
  return found;
}

export function expandNode(node: Node, shape: Shape): Node {
  return recordView(node, { kind: "expand", shape });
}

/** The expression that reads operand `index`, whatever its element type. */
export function operandExpr({ dtype }: { readonly dtype: Node["dtype"] }, index: number): Expr {
  return input(index, dtype === "f32" || dtype === "u32" ? dtype : "i32");
}

/** Broadcasts the operands, brings them to one element type (f32 wins) and records what `build` makes of them. */
export function pointwise(
  name: string,
  operands: readonly TensorLike[],
  build: (...args: Expr[]) => Expr,
  keepTypes = false,
): Tensor {
  let shape: Shape = [];
  let onlyNumbers = true;
  let float = false;
  for (const one of operands) {
    if (typeof one === "number") {
      float ||= !Number.isInteger(one);
      continue;
    }
    onlyNumbers = false;
    float ||= one.node.dtype === "f32";
    if (!sameShape(shape, one.node.shape)) shape = broadcastShapes(shape, one.node.shape, name);
  }
  const number = { dtype: float || onlyNumbers ? "f32" : "i32" } as const;
  const args = operands.map((one, i) => {
    const expr = operandExpr(typeof one === "number" ? number : one.node, i);
    return number.dtype === "f32" && !keepTypes && expr.type === "i32" ? call("f32FromI32", expr) : expr;
  });
  const inputAt = (i: number): Node => {
    const one = operands[i]!;
    return expandNode(typeof one === "number" ? scalarNode(one, number.dtype) : one.node, shape);
  };
  return new Tensor(recordOver(build(...args), inputAt, shape));
}

export const pointwiseGradient: GradientRule = (node, upstream, wanted) => {
  if (node.operation.kind !== "pointwise") return [];
  const count = node.inputs.length;
  const wrt = wanted.flatMap((want, i) => (want ? [i] : []));
  const exprs = derivativesOf(node.operation.expr, count, wrt);
  const inputs = [...node.inputs, upstream, node];
  const flows = new Array<Node | null>(count).fill(null);
  wrt.forEach((i, k) => {
    const expr = exprs[k];
    if (expr) flows[i] = recordPointwise(expr, inputs, node.shape);
  });
  return flows;
};

const floatConstant = (value: number): Expr => exprConstant(value, "f32");
/** A function of each element, in f32. */
export type Unary = <S extends Shape>(x: Tensor<S>) => Tensor<S, "f32">;
/** A function of two tensors or numbers, broadcasting; in f32 if one of them is. */
export type Binary<Row extends string> = <
  A extends Shape = [],
  B extends Shape = [],
  TypeA extends DType = Unknown,
  TypeB extends DType = Unknown,
>(
  a: TensorLike<A, TypeA>,
  b: Checked<Broadcast<A, B, Row>, TensorLike<B, TypeB>>,
) => Tensor<ShapeOf<Broadcast<A, B, Row>>, Promote<TypeA, TypeB>>;
/** A function of two tensors or numbers, broadcasting, whose results have type `D`. */
export type BinaryTo<D extends DType, Row extends string> = <A extends Shape = [], B extends Shape = []>(
  a: TensorLike<A>,
  b: Checked<Broadcast<A, B, Row>, TensorLike<B>>,
) => Tensor<ShapeOf<Broadcast<A, B, Row>>, D>;

const unary =
  (row: string): Unary =>
  (x) =>
    pointwise(row, [x], (a) => call(row, a.type === "i32" ? call("f32FromI32", a) : a));
const operation =
  (row: string) =>
  (a: TensorLike, b: TensorLike): Tensor =>
    pointwise(row, [a, b], (x, y) => call(row, x, y));
const binary = <Row extends string>(row: Row) => operation(row) as Binary<Row>;
const compare = <Row extends string>(row: Row) => operation(row) as BinaryTo<"i32", Row>;
const inFloat = <Row extends string>(row: Row) =>
  ((a: TensorLike, b: TensorLike): Tensor =>
    pointwise(row, [a, b], (x, y) => call(row, toFloat(x), toFloat(y)))) as BinaryTo<"f32", Row>;

function toFloat(e: Expr): Expr {
  return e.type === "i32" ? call("f32FromI32", e) : e;
}

/** Elementwise a + b, broadcasting. Throws a RangeError where shapes do not broadcast. */
export const add = binary("add");
/** Elementwise a - b, broadcasting. */
export const sub = binary("sub");
/** Elementwise a * b, broadcasting. */
export const mul = binary("mul");
/** Elementwise a / b in f32, broadcasting. */
export const div = inFloat("div");
/** Elementwise a to the power b in f32, broadcasting. */
export const pow = inFloat("pow");
/** Elementwise larger one, broadcasting; on a tie the gradient goes to `a`. */
export const maximum = binary("max");
/** Elementwise smaller one, broadcasting; on a tie the gradient goes to `a`. */
export const minimum = binary("min");
/** Elementwise comparison to i32 0 or 1, broadcasting. */
export const equal = compare("eq");
/** Elementwise a < b to i32 0 or 1, broadcasting. */
export const less = compare("lt");
/** Elementwise a <= b to i32 0 or 1, broadcasting. */
export const lessEqual = compare("le");
/** Elementwise a > b to i32 0 or 1, broadcasting. */
export const greater = compare("gt");
/** Elementwise a >= b to i32 0 or 1, broadcasting. */
export const greaterEqual = compare("ge");

/** -x. */
export const neg = <S extends Shape, D extends DType>(x: Tensor<S, D>): Tensor<S, Promote<D, D>> =>
  pointwise("neg", [x], (a) => call("neg", a));
/** Absolute value; gradient 0 at 0. */
export const abs = unary("abs");
/** -1, 0 or 1. */
export const sign = unary("sign");
/** Largest whole number not above x; no gradient. */
export const floor = unary("floor");
/** Smallest whole number not below x; no gradient. */
export const ceil = unary("ceil");
/** e to the power x. */
export const exp = unary("exp");
/** Natural logarithm. */
export const log = unary("log");
/** Square root; NaN below 0. */
export const sqrt = unary("sqrt");
/** Sine of radians. */
export const sin = unary("sin");
/** Cosine of radians. */
export const cos = unary("cos");
/** Hyperbolic tangent. */
export const tanh = unary("tanh");
/** 1 / (1 + exp(-x)). */
export const sigmoid = unary("sigmoid");
/** log(1 + exp(x)), without overflow. */
export const softplus = unary("softplus");
/** max(x, 0); gradient 0 at 0. */
export const relu = unary("relu");
/** x * x. */
export const square = <S extends Shape, D extends DType>(x: Tensor<S, D>): Tensor<S, Promote<D, D>> =>
  pointwise("square", [x], (a) => call("mul", a, a));
/** 1 / x. */
export const reciprocal: Unary = (x) =>
  pointwise("reciprocal", [x], (a) => call("div", floatConstant(1), toFloat(a)));
/** x where positive, else x * negativeSlope. */
export const leakyRelu = <S extends Shape>(
  x: Tensor<S>,
  options: { negativeSlope?: number } = {},
): Tensor<S, "f32"> =>
  pointwise("leakyRelu", [x, options.negativeSlope ?? 0.01], (a, slope) =>
    call("select", call("gt", a, floatConstant(0)), a, call("mul", a, slope)),
  );

/** x limited to [min, max]; no gradient outside. */
export function clamp<S extends Shape>(
  x: Tensor<S>,
  options: { min?: number; max?: number },
): Tensor<S, "f32"> {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = options;
  if (min > max) throw new RangeError(`clamp: min ${min} is above max ${max}`);
  return pointwise("clamp", [x, min, max], (a, low, high) =>
    call("min", call("max", toFloat(a), toFloat(low)), toFloat(high)),
  );
}

/** `a` where the i32 condition is not 0, else `b`; all three broadcast. Throws a TypeError on an f32 condition. */
export function where(condition: Tensor, a: TensorLike, b: TensorLike): Tensor {
  if (condition.dtype === "f32")
    throw new TypeError("where: the condition is f32; compare it first, as in where(greater(x, 0), a, b)");
  return pointwise(
    "where",
    [condition, a, b],
    (c, x, y) => {
      const float = x.type === "f32" || y.type === "f32";
      const test = call("ne", c, exprConstant(0, "i32"));
      return call("select", test, float ? toFloat(x) : x, float ? toFloat(y) : y);
    },
    true,
  );
}

/** The same values as f32 or i32 (truncated towards zero, saturating, NaN to 0). */
export function cast<S extends Shape, D extends "f32" | "i32">(x: Tensor<S>, dtype: D): Tensor<S, D> {
  return pointwise(
    "cast",
    [x],
    (a) => (a.type === dtype ? a : call(dtype === "f32" ? "f32FromI32" : "i32FromF32", a)),
    true,
  );
}
