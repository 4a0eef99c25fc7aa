/** Shapes and strides are plain arrays; strides count elements, row-major unless said otherwise. */
export type Shape = readonly number[];

export function elementCount(shape: Shape): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}

/** Row-major strides of a dense tensor. */
export function denseStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** Strides of a dense [N, C, H, W] tensor that lies in memory as [N, H, W, C]. */
export function channelsLastStrides(shape: Shape): number[] {
  const [, c, h, w] = shape as [number, number, number, number];
  return [c * h * w, 1, w * c, c];
}

/** Text of a shape in messages: `[128, 1, 28, 28]`. */
export function showShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** Negative axes count from the end. Throws a RangeError that names `what` and the axis. */
export function normalizeAxis(axis: number, rank: number, what: string): number {
  const resolved = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= rank) {
    throw new RangeError(`${what}: axis ${axis} is not an axis of a tensor with ${rank} dimensions`);
  }
  return resolved;
}

/** The shape both operands broadcast to, by NumPy's rule. Throws a RangeError that names both. */
export function broadcastShapes(a: Shape, b: Shape, what: string): number[] {
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new RangeError(
        `${what}: shapes ${showShape(a)} and ${showShape(b)} do not broadcast; sizes must be equal or 1, counted from the last axis`,
      );
    }
    out[i] = x === 1 ? y : x;
  }
  return out;
}
