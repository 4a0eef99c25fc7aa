import type { Add, Divide, Subtract } from "../core/arithmetic.js";
import type { DType } from "../core/dtype.js";
import { elementCount, normalizeAxis, type Shape, sameShape, showShape } from "../core/shape.js";
import type {
  AxisKey,
  Checked,
  ElementCount,
  IsUnknown,
  MayBeSame,
  MayEqual,
  ShapeOf,
  Show,
  ShowSize,
  Unknown,
} from "../core/shape_types.js";
import type { View } from "../core/view.js";
import type { GradientRule } from "../graph/autograd.js";
import { type Node, record, recordView } from "../graph/graph.js";
import { Tensor } from "../tensor/tensor.js";
import { full, onesLike } from "./creation.js";
import { where } from "./pointwise.js";
import { sumNode } from "./reduce.js";

function view(x: Tensor, how: View): Tensor {
  const node = recordView(x.node, how);
  return node === x.node ? x : new Tensor(node);
}

/** The shape that `reshape` gives, or a sentence. */
export type Reshaped<S, To extends Shape> =
  IsUnknown<To> extends true
    ? Unknown
    : Inferred<To, Divide<ElementCount<S>, ElementCount<Known<To>>>> extends infer Result extends Shape
      ? MayEqual<ElementCount<Result>, ElementCount<S>> extends true
        ? Result
        : `reshape: ${Show<S>} has ${ShowSize<ElementCount<S>>} elements and cannot become ${Show<To>}`
      : `reshape: ${Show<S>} has ${ShowSize<ElementCount<S>>} elements and cannot become ${Show<To>}`;

/** The sizes but -1. */
type Known<To extends Shape> = To extends readonly [infer First extends number, ...infer Rest extends Shape]
  ? First extends -1
    ? Known<Rest>
    : [First, ...Known<Rest>]
  : [];

/** Puts the quotient in the place of -1, if there is one such place and nothing is left over. */
type Inferred<
  To extends Shape,
  Quotient extends [number, number],
  Out extends Shape = [],
> = To extends readonly [infer First extends number, ...infer Rest extends Shape]
  ? First extends -1
    ? MayEqual<Quotient[1], 0> extends true
      ? Rest[number] & -1 extends never
        ? [...Out, Quotient[0], ...Rest]
        : null
      : null
    : Inferred<Rest, Quotient, [...Out, First]>
  : Out;

/** The same elements, row-major, under another shape; one size may be -1. Throws a RangeError where counts differ. */
export function reshape<S extends Shape, D extends DType, const To extends Shape>(
  x: Tensor<S, D>,
  shape: Checked<Reshaped<S, To>, To>,
): Tensor<ShapeOf<Reshaped<S, To>>, D>;
export function reshape(x: Tensor, shape: Shape): Tensor {
  const count = elementCount(x.shape);
  const known = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const inferred = shape.map((size) => (size === -1 ? count / known : size));
  if (
    shape.filter((size) => size === -1).length > 1 ||
    elementCount(inferred) !== count ||
    inferred.some((size) => !Number.isInteger(size) || size < 0)
  ) {
    throw new RangeError(
      `reshape: ${showShape(x.shape)} has ${count} elements and cannot become ${showShape(shape)}`,
    );
  }
  return view(x, { kind: "reshape", shape: inferred });
}

export type Flattened<S, Start extends number> = true extends
  | IsUnknown<S>
  | (number extends Start ? true : false)
  ? Unknown
  : AxisKey<Start, S, "flatten"> extends infer Key extends keyof S
    ? Merged<S, Key>
    : [Start, S] extends [0, readonly []]
      ? [1]
      : AxisKey<Start, S, "flatten">;

type Merged<S, Key, Lead extends Shape = []> = `${Lead["length"]}` extends Key
  ? [...Lead, ElementCount<S>]
  : S extends readonly [infer First extends number, ...infer Rest]
    ? Merged<Rest, Key, [...Lead, First]>
    : never;

/** Merges the axes from `startAxis` on into one. */
export function flatten<S extends Shape, D extends DType, Start extends number = 0>(
  x: Tensor<S, D>,
  startAxis?: Checked<Flattened<S, Start>, Start>,
): Tensor<ShapeOf<Flattened<S, Start>>, D>;
export function flatten(x: Tensor, startAxis = 0): Tensor {
  const start = normalizeAxis(startAxis, Math.max(1, x.shape.length), "flatten");
  return reshape(x, [...x.shape.slice(0, start), elementCount(x.shape.slice(start))]);
}

/** The shape after a permutation, or a sentence. */
export type Permuted<S, Axes extends Shape> = true extends IsUnknown<S> | IsUnknown<Axes>
  ? Unknown
  : number extends Axes[number]
    ? Unknown
    : S extends Shape
      ? { [I in keyof Axes]: AxisKey<Axes[I], S, "permute"> } extends infer Keys extends readonly unknown[]
        ? [Exclude<Keys[number], keyof S>] extends [never]
          ? [Axes["length"], Exclude<keyof S & `${number}`, Keys[number]>] extends [S["length"], never]
            ? { -readonly [I in keyof Keys]: S[Keys[I] & keyof S] }
            : `permute: ${Show<Axes>} does not name each of ${S["length"]} axes once`
          : Exclude<Keys[number], keyof S>
        : never
      : never;

/** Reorders the axes: axis i of the result is axis axes[i] of x. */
export function permute<S extends Shape, D extends DType, const Axes extends readonly number[]>(
  x: Tensor<S, D>,
  axes: Checked<Permuted<S, Axes>, Axes>,
): Tensor<ShapeOf<Permuted<S, Axes>>, D>;
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  const order = axes.map((axis) => normalizeAxis(axis, x.shape.length, "permute"));
  if (order.length !== x.shape.length || new Set(order).size !== order.length) {
    throw new RangeError(`permute: [${axes.join(", ")}] does not name each of ${x.shape.length} axes once`);
  }
  return view(x, { kind: "permute", axes: order });
}

/** The shape with two axes swapped, or a sentence. */
export type Swapped<S, A extends number, B extends number> = true extends
  | IsUnknown<S>
  | (number extends A | B ? true : false)
  ? Unknown
  : AxisKey<A, S, "transpose"> extends infer KeyA extends keyof S
    ? AxisKey<B, S, "transpose"> extends infer KeyB extends keyof S
      ? { [K in keyof S]: K extends KeyA ? S[KeyB] : K extends KeyB ? S[KeyA] : S[K] }
      : AxisKey<B, S, "transpose">
    : AxisKey<A, S, "transpose">;

/** Swaps two axes (by default the last two). */
export function transpose<S extends Shape, D extends DType, A extends number = -2, B extends number = -1>(
  x: Tensor<S, D>,
  axis0?: Checked<Swapped<S, A, -1>, A>,
  axis1?: Checked<Swapped<S, A, B>, B>,
): Tensor<ShapeOf<Swapped<S, A, B>>, D>;
export function transpose(x: Tensor, axis0 = -2, axis1 = -1): Tensor {
  const a = normalizeAxis(axis0, x.shape.length, "transpose");
  const b = normalizeAxis(axis1, x.shape.length, "transpose");
  return permute(
    x,
    x.shape.map((_, axis) => (axis === a ? b : axis === b ? a : axis)),
  );
}

/** The shape after `expand`, or a sentence. */
export type Expanded<S, To> = true extends IsUnknown<S> | IsUnknown<To>
  ? Unknown
  : ExpandedFromLast<S, To> extends infer Result extends Shape
    ? Result
    : `expand: ${Show<S>} does not expand to ${Show<To>}; only axes of size 1 repeat`;

type ExpandedFromLast<S, To, Out extends Shape = []> = To extends readonly [
  ...infer RestTo extends Shape,
  infer Size extends number,
]
  ? S extends readonly [...infer RestS extends Shape, infer From extends number]
    ? Size extends -1
      ? ExpandedFromLast<RestS, RestTo, [From, ...Out]>
      : From extends 1
        ? ExpandedFromLast<RestS, RestTo, [Size, ...Out]>
        : MayEqual<From, Size> extends true
          ? ExpandedFromLast<RestS, RestTo, [Size, ...Out]>
          : null
    : [...RestTo, Size, ...Out]
  : S extends readonly []
    ? Out
    : null;

/** Repeats axes of size 1 (and new leading ones) without copying. */
export function expand<S extends Shape, D extends DType, const To extends Shape>(
  x: Tensor<S, D>,
  shape: Checked<Expanded<S, To>, To>,
): Tensor<ShapeOf<Expanded<S, To>>, D>;
export function expand(x: Tensor, shape: Shape): Tensor {
  const lead = shape.length - x.shape.length;
  const target = shape.map((size, axis) => (size === -1 && axis >= lead ? x.shape[axis - lead]! : size));
  if (lead < 0 || x.shape.some((size, axis) => size !== 1 && size !== target[axis + lead])) {
    throw new RangeError(
      `expand: ${showShape(x.shape)} does not expand to ${showShape(shape)}; only axes of size 1 repeat`,
    );
  }
  return view(x, { kind: "expand", shape: target });
}

export type Unsqueezed<S, Axis extends number> = true extends
  | IsUnknown<S>
  | (number extends Axis ? true : false)
  ? Unknown
  : S extends Shape
    ? AxisKey<Axis, [...S, 1], "unsqueeze"> extends infer Key
      ? Key extends keyof [...S, 1]
        ? Inserted<S, Key>
        : Key
      : never
    : never;

type Inserted<S, Key, Lead extends Shape = []> = `${Lead["length"]}` extends Key
  ? [...Lead, 1, ...(S extends Shape ? S : never)]
  : S extends readonly [infer First extends number, ...infer Rest]
    ? Inserted<Rest, Key, [...Lead, First]>
    : never;

/** Adds an axis of size 1. */
export function unsqueeze<S extends Shape, D extends DType, Axis extends number>(
  x: Tensor<S, D>,
  axis: Checked<Unsqueezed<S, Axis>, Axis>,
): Tensor<ShapeOf<Unsqueezed<S, Axis>>, D>;
export function unsqueeze(x: Tensor, axis: number): Tensor {
  const at = normalizeAxis(axis, x.shape.length + 1, "unsqueeze");
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/** The shape of a slice; what `slice` does with bounds. */
export type Sliced<S, Starts, Ends, Steps> = {
  -readonly [I in keyof S]: SliceSize<S[I] & number, At<Starts, I, 0>, At<Ends, I, S[I]>, At<Steps, I, 1>>;
};

type At<List, I, Default> = number extends (List extends readonly unknown[] ? List["length"] : 0)
  ? number
  : I extends keyof List
    ? List[I]
    : Default;

type SliceSize<Size extends number, Start, End, Step> = [Start, End, Step] extends [
  infer S extends number,
  infer E extends number,
  infer By extends number,
]
  ? number extends Size | S | E | By
    ? number
    : OrZero<Subtract<Bound<E, Size>, Bound<S, Size>>> extends infer Length extends number
      ? Divide<Add<Length, OrZero<Subtract<By, 1>>>, By>[0]
      : never
  : number;

type Bound<Value extends number, Size extends number> = `${Value}` extends `-${infer Back extends number}`
  ? OrZero<Subtract<Size, Back>>
  : [Subtract<Size, Value>] extends [never]
    ? Size
    : Value;

type OrZero<N extends number> = [N] extends [never] ? 0 : N;

/** Elements starts[i], starts[i] + steps[i], ... below ends[i] of each axis; negative bounds count from the end. */
export function slice<
  S extends Shape,
  D extends DType,
  const Starts extends readonly number[],
  const Ends extends readonly number[],
  const Steps extends readonly number[] = [],
>(
  x: Tensor<S, D>,
  starts: Starts,
  ends: Ends,
  steps?: Steps,
): Tensor<IsUnknown<S> extends true ? Unknown : Sliced<S, Starts, Ends, Steps>, D>;
export function slice(
  x: Tensor,
  starts: readonly number[],
  ends: readonly number[],
  steps?: readonly number[],
): Tensor {
  if ([...starts, ...ends].some((bound) => !Number.isInteger(bound))) {
    throw new RangeError(
      `slice: bounds [${starts.join(", ")}] and [${ends.join(", ")}] must be whole numbers`,
    );
  }
  const bound = (value: number, size: number): number =>
    Math.min(size, Math.max(0, value < 0 ? value + size : value));
  const from = x.shape.map((size, axis) => bound(starts[axis] ?? 0, size));
  const by = x.shape.map((_, axis) => steps?.[axis] ?? 1);
  if (by.some((step) => !Number.isInteger(step) || step < 1)) {
    throw new RangeError(
      `slice: steps [${by.join(", ")}] must be whole numbers of at least 1; use flip to read backwards`,
    );
  }
  const shape = x.shape.map((size, axis) =>
    Math.max(0, Math.ceil((bound(ends[axis] ?? size, size) - from[axis]!) / by[axis]!)),
  );
  return view(x, { kind: "slice", starts: from, steps: by, shape });
}

/** Reverses the order along axes. */
export function flip<S extends Shape, D extends DType>(
  x: Tensor<S, D>,
  axes: readonly number[],
): Tensor<S, D> {
  const flipped = new Set(axes.map((axis) => normalizeAxis(axis, x.shape.length, "flip")));
  return view(x, {
    kind: "slice",
    starts: x.shape.map((size, axis) => (flipped.has(axis) ? Math.max(0, size - 1) : 0)),
    steps: x.shape.map((_, axis) => (flipped.has(axis) ? -1 : 1)),
    shape: x.shape,
  });
}

export type ShapesOf<Tensors> = { [I in keyof Tensors]: Tensors[I] extends Tensor<infer S> ? S : never };
export type DTypesOf<Tensors extends readonly Tensor[]> =
  Tensors[number] extends Tensor<infer _, infer D> ? D : Unknown;

/** The shape of tensors joined along an axis, or a sentence. */
export type Joined<Shapes, Axis extends number> = Shapes extends readonly [infer First, ...infer Rest]
  ? true extends IsUnknown<First> | (number extends Axis ? true : false)
    ? Unknown
    : AxisKey<Axis, First, "concat"> extends infer Key
      ? Key extends keyof First
        ? JoinedAlong<First, Rest, Key, First>
        : Key
      : never
  : Unknown;

type JoinedAlong<Out, Shapes, Key, First> = Shapes extends readonly [infer Next, ...infer Rest]
  ? IsUnknown<Next> extends true
    ? Unknown
    : MayBeSame<Blank<First, Key>, Blank<Next, Key>> extends true
      ? JoinedAlong<
          {
            -readonly [I in keyof Out]: I extends Key
              ? Add<Out[I] & number, Next extends Shape ? Next[I & keyof Next] & number : never>
              : Out[I];
          },
          Rest,
          Key,
          First
        >
      : `concat: shapes ${Show<First>} and ${Show<Next>} differ outside axis ${Key & string}`
  : Shapes extends readonly []
    ? Out
    : Unknown;

/** A shape without the size along an axis. */
type Blank<S, Key> = { -readonly [I in keyof S]: I extends Key ? 0 : S[I] };

/** Joins tensors along an axis. Throws a RangeError where other sizes differ, a TypeError where element types do. */
export function concat<const Tensors extends readonly Tensor[], Axis extends number = 0>(
  tensors: Checked<Joined<ShapesOf<Tensors>, Axis>, Tensors>,
  axis?: Axis,
): Tensor<ShapeOf<Joined<ShapesOf<Tensors>, Axis>>, DTypesOf<Tensors>>;
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  const [first] = tensors;
  if (!first) throw new RangeError("concat: no tensors given");
  const at = normalizeAxis(axis, first.shape.length, "concat");
  let total = 0;
  const starts: number[][] = [];
  for (const one of tensors) {
    if (one.dtype !== first.dtype)
      throw new TypeError(`concat: element types ${first.dtype} and ${one.dtype} differ; cast() one of them`);
    if (!sameShape(one.shape.toSpliced(at, 1), first.shape.toSpliced(at, 1))) {
      throw new RangeError(
        `concat: shapes ${showShape(first.shape)} and ${showShape(one.shape)} differ outside axis ${at}`,
      );
    }
    starts.push(first.shape.map((_, i) => (i === at ? total : 0)));
    total += one.shape[at]!;
  }
  const steps = first.shape.map(() => 1);
  const parts = starts.map((start) => ({ starts: start, steps }));
  return new Tensor(
    record(
      { kind: "place", covered: true, parts },
      tensors.map((one) => one.node),
      first.shape.with(at, total),
      first.dtype,
    ),
  );
}

export type Stacked<Shapes, Axis extends number> = Joined<
  { [I in keyof Shapes]: Unsqueezed<Shapes[I], Axis> },
  Axis
>;

/** Joins tensors of one shape along a new axis. */
export function stack<const Tensors extends readonly Tensor[], Axis extends number = 0>(
  tensors: Checked<Stacked<ShapesOf<Tensors>, Axis>, Tensors>,
  axis?: Axis,
): Tensor<ShapeOf<Stacked<ShapesOf<Tensors>, Axis>>, DTypesOf<Tensors>>;
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  return concat(
    tensors.map((one) => unsqueeze(one, axis)),
    axis,
  );
}

export type Padded<S, Padding> = {
  -readonly [I in keyof S]: At<Padding, I, null> extends readonly [
    infer Before extends number,
    infer After extends number,
  ]
    ? Add<Add<S[I] & number, Before>, After>
    : number;
};

/** Surrounds each axis with padding[axis] = [before, after] elements of `value`. */
export function pad<
  S extends Shape,
  D extends DType,
  const Padding extends readonly (readonly [number, number])[],
>(
  x: Tensor<S, D>,
  padding: Padding,
  value?: number,
): Tensor<IsUnknown<S> extends true ? Unknown : Padded<S, Padding>, D>;
export function pad(x: Tensor, padding: readonly (readonly [number, number])[], value = 0): Tensor {
  if (padding.length !== x.shape.length || padding.flat().some((n) => !Number.isInteger(n) || n < 0)) {
    throw new RangeError(
      `pad: needs a pair of whole numbers for each of ${x.shape.length} axes, got ${JSON.stringify(padding)}`,
    );
  }
  const shape = x.shape.map((size, axis) => size + padding[axis]![0] + padding[axis]![1]);
  const put = (from: Tensor): Tensor =>
    new Tensor(
      placeNode(
        from.node,
        shape,
        padding.map(([before]) => before),
        shape.map(() => 1),
      ),
    );
  if (value === 0) return put(x);
  return where(put(onesLike(x, "i32")), put(x), full([], value));
}

function placeNode(part: Node, shape: Shape, starts: readonly number[], steps: readonly number[]): Node {
  return record({ kind: "place", covered: false, parts: [{ starts, steps }] }, [part], shape, part.dtype);
}

export const viewGradient: GradientRule = (node, upstream) => {
  if (node.operation.kind !== "view") return [];
  const { view: how } = node.operation;
  const from = node.inputs[0]!.shape;
  switch (how.kind) {
    case "reshape":
      return [recordView(upstream, { kind: "reshape", shape: from })];
    case "permute": {
      const inverse = how.axes.map((_, axis) => how.axes.indexOf(axis));
      return [recordView(upstream, { kind: "permute", axes: inverse })];
    }
    case "expand": {
      const lead = how.shape.length - from.length;
      const axes = how.shape.flatMap((size, axis) =>
        axis < lead || (from[axis - lead] === 1 && size !== 1) ? [axis] : [],
      );
      return [recordView(sumNode(upstream, axes), { kind: "reshape", shape: from })];
    }
    case "slice":
      return [placeNode(upstream, from, how.starts, how.steps)];
  }
};

export const placeGradient: GradientRule = (node, upstream, wanted) => {
  const { operation } = node;
  if (operation.kind !== "place") return [];
  return node.inputs.map((one, k) =>
    wanted[k] ? recordView(upstream, { kind: "slice", ...operation.parts[k]!, shape: one.shape }) : null,
  );
};
