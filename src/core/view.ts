import { denseStrides, elementCount, type Shape } from "./shape.js";

/** A way to read the same memory under another shape. Every view is invertible or has an adjoint. */
export type View =
  | { readonly kind: "reshape"; readonly shape: Shape }
  | { readonly kind: "permute"; readonly axes: readonly number[] }
  | { readonly kind: "expand"; readonly shape: Shape }
  | {
      readonly kind: "slice";
      readonly starts: readonly number[];
      /** Elements between two neighbours; negative to read backwards. */
      readonly steps: readonly number[];
      readonly shape: Shape;
    };

/** Where the elements of a tensor lie: element index = offset + sum of index * stride. */
export interface Strided {
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly offset: number;
}

export function dense(shape: Shape): Strided {
  return { shape, strides: denseStrides(shape), offset: 0 };
}

/** The shape that a view of a tensor of `shape` has. */
export function viewShape(view: View, shape: Shape): Shape {
  return view.kind === "permute" ? view.axes.map((axis) => shape[axis]!) : view.shape;
}

/** The strided place of a view of `base`, or null where no strides can express it (the reader must copy). */
export function applyView(base: Strided, view: View): Strided | null {
  switch (view.kind) {
    case "permute":
      return {
        shape: view.axes.map((axis) => base.shape[axis]!),
        strides: view.axes.map((axis) => base.strides[axis]!),
        offset: base.offset,
      };
    case "expand": {
      const lead = view.shape.length - base.shape.length;
      const strides = view.shape.map((size, axis) => {
        const from = axis - lead;
        return from < 0 || (base.shape[from] === 1 && size !== 1) ? 0 : base.strides[from]!;
      });
      return { shape: view.shape, strides, offset: base.offset };
    }
    case "slice": {
      let offset = base.offset;
      for (let axis = 0; axis < view.starts.length; axis++)
        offset += view.starts[axis]! * base.strides[axis]!;
      return {
        shape: view.shape,
        strides: base.strides.map((stride, axis) => stride * view.steps[axis]!),
        offset,
      };
    }
    case "reshape":
      return reshapeStrided(base, view.shape);
  }
}

/** Fold a chain of views over a base; null where one of them needs a copy. */
export function applyViews(base: Strided, views: readonly View[]): Strided | null {
  let at: Strided | null = base;
  for (const view of views) {
    if (at === null) return null;
    at = applyView(at, view);
  }
  return at;
}

/** Splits and merges axes where the strides allow it. */
function reshapeStrided(base: Strided, shape: Shape): Strided | null {
  if (elementCount(shape) === 0) return { shape, strides: denseStrides(shape), offset: base.offset };
  const axes: { size: number; stride: number }[] = [];
  for (let axis = 0; axis < base.shape.length; axis++) {
    const size = base.shape[axis]!;
    const stride = base.strides[axis]!;
    if (size === 1) continue;
    const last = axes[axes.length - 1];
    if (last && last.stride === stride * size) {
      last.size *= size;
      last.stride = stride;
    } else axes.push({ size, stride });
  }
  const strides = new Array<number>(shape.length).fill(0);
  let group = axes.length - 1;
  let left = group >= 0 ? axes[group]!.size : 1;
  let stride = group >= 0 ? axes[group]!.stride : 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]!;
    if (size === 1) continue;
    if (left === 1 && group > 0) {
      group--;
      left = axes[group]!.size;
      stride = axes[group]!.stride;
    }
    if (left % size !== 0) return null;
    strides[axis] = stride;
    stride *= size;
    left /= size;
  }
  return { shape, strides, offset: base.offset };
}
