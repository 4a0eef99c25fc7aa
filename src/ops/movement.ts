import { elementCount, normalizeAxis, type Shape, sameShape, showShape } from "../core/shape.js";
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

/** The same elements, row-major, under another shape; one size may be -1. Throws a RangeError where counts differ. */
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

/** Merges the axes from `startAxis` on into one. */
export function flatten(x: Tensor, startAxis = 0): Tensor {
  const start = normalizeAxis(startAxis, Math.max(1, x.shape.length), "flatten");
  return reshape(x, [...x.shape.slice(0, start), elementCount(x.shape.slice(start))]);
}

/** Reorders the axes: axis i of the result is axis axes[i] of x. */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  const order = axes.map((axis) => normalizeAxis(axis, x.shape.length, "permute"));
  if (order.length !== x.shape.length || new Set(order).size !== order.length) {
    throw new RangeError(`permute: [${axes.join(", ")}] does not name each of ${x.shape.length} axes once`);
  }
  return view(x, { kind: "permute", axes: order });
}

/** Swaps two axes (by default the last two). */
export function transpose(x: Tensor, axis0 = -2, axis1 = -1): Tensor {
  const a = normalizeAxis(axis0, x.shape.length, "transpose");
  const b = normalizeAxis(axis1, x.shape.length, "transpose");
  return permute(
    x,
    x.shape.map((_, axis) => (axis === a ? b : axis === b ? a : axis)),
  );
}

/** Repeats axes of size 1 (and new leading ones) without copying. */
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

/** Adds an axis of size 1. */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  const at = normalizeAxis(axis, x.shape.length + 1, "unsqueeze");
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/** Elements starts[i], starts[i] + steps[i], ... below ends[i] of each axis; negative bounds count from the end. */
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
export function flip(x: Tensor, axes: readonly number[]): Tensor {
  const flipped = new Set(axes.map((axis) => normalizeAxis(axis, x.shape.length, "flip")));
  return view(x, {
    kind: "slice",
    starts: x.shape.map((size, axis) => (flipped.has(axis) ? Math.max(0, size - 1) : 0)),
    steps: x.shape.map((_, axis) => (flipped.has(axis) ? -1 : 1)),
    shape: x.shape,
  });
}

/** Joins tensors along an axis. Throws a RangeError where other sizes differ, a TypeError where element types do. */
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

/** Joins tensors of one shape along a new axis. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  return concat(
    tensors.map((one) => unsqueeze(one, axis)),
    axis,
  );
}

/** Surrounds each axis with padding[axis] = [before, after] elements of `value`. */
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
