import type { DType, Promote } from "../core/dtype.js";
import { call, constant, input } from "../core/expression.js";
import type { ReduceOp } from "../core/kernel.js";
import { elementCount, normalizeAxis, type Shape, showShape } from "../core/shape.js";
import type { AxisKey, Checked, IsUnknown, ShapeOf, Unknown } from "../core/shape_types.js";
import type { GradientRule } from "../graph/autograd.js";
import { type Node, record, recordView } from "../graph/graph.js";
import { Tensor } from "../tensor/tensor.js";
import { expandNode, pointwise, recordPointwise } from "./pointwise.js";

export interface ReduceOptions {
  /** Axes to reduce; all of them if left out. */
  axes?: readonly number[] | number;
  /** Keep reduced axes with size 1. */
  keepDims?: boolean;
}

/** Shape after a reduction under these options, or a sentence. */
export type Reduced<S, Options, What extends string> =
  IsUnknown<S> extends true
    ? Unknown
    : ReducedKeys<S, Options, What> extends infer Keys
      ? 0 extends 1 & Keys
        ? Unknown
        : [Extract<Keys, NoAxisSentence>] extends [never]
          ? Options extends { readonly keepDims: infer Keep }
            ? Keep extends true
              ? { [K in keyof S]: K extends Keys ? 1 : S[K] }
              : Keep extends false
                ? Remaining<S, Keys>
                : Unknown
            : "keepDims" extends keyof Options
              ? Unknown
              : Remaining<S, Keys>
          : Extract<Keys, NoAxisSentence>
      : never;

type NoAxisSentence = `${string} is not an axis of ${string}`;

/** Keys of the reduced axes, as a union with sentences of axes that there are not; unknown if they are. */
type ReducedKeys<S, Options, What extends string> = "axes" extends keyof Options
  ? Options["axes"] extends number
    ? KeyOf<Options["axes"], S, What>
    : Options["axes"] extends readonly number[]
      ? number extends Options["axes"]["length"]
        ? Unknown
        : KeyOf<Options["axes"][number], S, What>
      : Unknown
  : keyof S;

type KeyOf<Axis extends number, S, What extends string> = number extends Axis
  ? Unknown
  : Axis extends number
    ? AxisKey<Axis, S, What>
    : never;

/** The sizes whose keys are not among these. */
type Remaining<S, Keys, At extends readonly unknown[] = [], Out extends Shape = []> = S extends readonly [
  infer First extends number,
  ...infer Rest,
]
  ? Remaining<Rest, Keys, [...At, 0], `${At["length"]}` extends Keys ? Out : [...Out, First]>
  : Out;

/** Options, or what is wrong with them. */
export type Fitting<S, Options, What extends string> = Checked<Reduced<S, Options, What>, Options>;
export type None = Record<never, never>;

function keptShape(shape: Shape, axes: readonly number[]): number[] {
  return shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
}

function reduceNode(op: ReduceOp, x: Node, axes: readonly number[]): Node {
  return record(
    { kind: "reduce", op, axes },
    [x],
    keptShape(x.shape, axes),
    op === "argmax" ? "i32" : x.dtype === "f32" ? "f32" : "i32",
    {
      ...(op === "argmax" ? { tracked: false } : {}),
    },
  );
}

/** Sum over axes that stay as size 1. */
export function sumNode(x: Node, axes: readonly number[]): Node {
  return axes.length === 0 ? x : reduceNode("sum", x, axes);
}

/** log(sum(exp(x))) over an axis that stays as size 1. */
export function logSumExpNode(x: Node, axis: number): Node {
  return reduceNode("logSumExp", x, [axis]);
}

function resolveAxes(x: Tensor, axes: ReduceOptions["axes"], what: string): number[] {
  if (axes === undefined) return x.shape.map((_, axis) => axis);
  const list = typeof axes === "number" ? [axes] : axes;
  return [...new Set(list.map((axis) => normalizeAxis(axis, x.shape.length, what)))].sort((a, b) => a - b);
}

function finish(node: Node, shape: Shape, axes: readonly number[], keepDims = false): Tensor {
  const kept = keepDims ? keptShape(shape, axes) : shape.filter((_, axis) => !axes.includes(axis));
  return new Tensor(recordView(node, { kind: "reshape", shape: kept }));
}

/** Sum over axes. */
export function sum<S extends Shape, D extends DType, const Options extends ReduceOptions = None>(
  x: Tensor<S, D>,
  options?: Fitting<S, Options, "sum">,
): Tensor<ShapeOf<Reduced<S, Options, "sum">>, Promote<D, D>>;
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  const axes = resolveAxes(x, options.axes, "sum");
  return finish(sumNode(x.node, axes), x.shape, axes, options.keepDims);
}

/** Arithmetic mean over axes. */
export function mean<S extends Shape, const Options extends ReduceOptions = None>(
  x: Tensor<S>,
  options?: Fitting<S, Options, "mean">,
): Tensor<ShapeOf<Reduced<S, Options, "mean">>, "f32">;
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  const axes = resolveAxes(x, options.axes, "mean");
  const count = elementCount(axes.map((axis) => x.shape[axis]!));
  return pointwise("mean", [sum(x, options), 1 / count], (a, b) =>
    call("mul", a.type === "i32" ? call("f32FromI32", a) : a, b),
  );
}

/** Variance over axes; `correction` is taken from the divisor (1: the sample's, as in PyTorch). */
export function variance<
  S extends Shape,
  const Options extends ReduceOptions & { correction?: number } = None,
>(
  x: Tensor<S>,
  options?: Fitting<S, Options, "variance">,
): Tensor<ShapeOf<Reduced<S, Options, "variance">>, "f32">;
export function variance(x: Tensor, options: ReduceOptions & { correction?: number } = {}): Tensor {
  const axes = resolveAxes(x, options.axes, "variance");
  const count = elementCount(axes.map((axis) => x.shape[axis]!));
  const centred = pointwise("variance", [x, mean(x, { axes, keepDims: true })], (a, b) => call("sub", a, b));
  const squares = sum(
    pointwise("variance", [centred], (a) => call("mul", a, a)),
    options,
  );
  return pointwise("variance", [squares, 1 / Math.max(0, count - (options.correction ?? 1))], (a, b) =>
    call("mul", a, b),
  );
}

function extremum(op: "max" | "min", x: Tensor, options: ReduceOptions): Tensor {
  const axes = resolveAxes(x, options.axes, op);
  if (axes.some((axis) => x.shape[axis] === 0))
    throw new RangeError(`${op}: an axis of ${showShape(x.shape)} to reduce has size 0`);
  if (axes.length === 1) return finish(reduceNode(op, x.node, axes), x.shape, axes, options.keepDims);
  // Several axes become one, so that the gradient has one index to go to.
  const rest = x.shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]));
  const moved = recordView(x.node, { kind: "permute", axes: [...rest, ...axes] });
  const shape = [...rest.map((axis) => x.shape[axis]!), elementCount(axes.map((axis) => x.shape[axis]!))];
  const merged = recordView(moved, { kind: "reshape", shape });
  return finish(reduceNode(op, merged, [rest.length]), x.shape, axes, options.keepDims);
}

/** Largest element over axes; its gradient goes to the first of equals. Throws a RangeError on an empty axis. */
export function max<S extends Shape, D extends DType, const Options extends ReduceOptions = None>(
  x: Tensor<S, D>,
  options?: Fitting<S, Options, "max">,
): Tensor<ShapeOf<Reduced<S, Options, "max">>, Promote<D, D>>;
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  return extremum("max", x, options);
}

/** Smallest element over axes; its gradient goes to the first of equals. Throws a RangeError on an empty axis. */
export function min<S extends Shape, D extends DType, const Options extends ReduceOptions = None>(
  x: Tensor<S, D>,
  options?: Fitting<S, Options, "min">,
): Tensor<ShapeOf<Reduced<S, Options, "min">>, Promote<D, D>>;
export function min(x: Tensor, options: ReduceOptions = {}): Tensor {
  return extremum("min", x, options);
}

/** Index of the largest element along an axis, i32; the first of equals. */
export function argmax<
  S extends Shape,
  Axis extends number = -1,
  const Options extends { keepDims?: boolean } = None,
>(
  x: Tensor<S>,
  axis?: Checked<Reduced<S, Options & { readonly axes: Axis }, "argmax">, Axis>,
  options?: Options,
): Tensor<ShapeOf<Reduced<S, Options & { readonly axes: Axis }, "argmax">>, "i32">;
export function argmax(x: Tensor, axis = -1, options: { keepDims?: boolean } = {}): Tensor {
  const at = normalizeAxis(axis, x.shape.length, "argmax");
  if (x.shape[at] === 0) throw new RangeError(`argmax: axis ${axis} of ${showShape(x.shape)} has size 0`);
  return finish(reduceNode("argmax", x.node, [at]), x.shape, [at], options.keepDims);
}

export const reduceGradient: GradientRule = (node, upstream) => {
  const { operation } = node;
  if (operation.kind !== "reduce") return [];
  const from = node.inputs[0]!;
  const wide = expandNode(upstream, from.shape);
  if (operation.op === "sum") return [wide];
  if (operation.op === "logSumExp") {
    const share = call("exp", call("sub", input(1, "f32"), input(2, "f32")));
    const expr = call("mul", input(0, "f32"), share);
    return [recordPointwise(expr, [wide, from, expandNode(node, from.shape)], from.shape)];
  }
  const axis = operation.axes[0]!;
  const ranked =
    operation.op === "max" ? from : recordPointwise(call("neg", input(0, "f32")), [from], from.shape);
  const winner = expandNode(reduceNode("argmax", ranked, [axis]), from.shape);
  const index = record({ kind: "iota" }, [], [from.shape[axis]!], "u32");
  const along = recordView(index, {
    kind: "reshape",
    shape: from.shape.map((size, i) => (i === axis ? size : 1)),
  });
  const isWinner = call("eq", call("u32FromI32", input(1, "i32")), input(2, "u32"));
  const expr = call("select", isWinner, input(0, "f32"), constant(0, "f32"));
  return [recordPointwise(expr, [wide, winner, expandNode(along, from.shape)], from.shape)];
};
