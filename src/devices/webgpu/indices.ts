import { elementCount, type Shape } from "../../core/shape.js";

/** WGSL text of index arithmetic, in u32 modulo 2^32, so that negative strides come out right. */

export function u32(value: number): string {
  return `${value >>> 0}u`;
}

/** offset + sum of coordinate * stride; axes of size 1 and stride 0 are left out. */
export function indexText(
  coordinates: readonly string[],
  { shape, strides, offset }: { shape: Shape; strides: readonly number[]; offset: number },
): string {
  const terms = coordinates.flatMap((name, axis) => {
    const stride = strides[axis]!;
    if (stride === 0 || shape[axis] === 1) return [];
    return [stride === 1 ? name : `${name} * ${u32(stride)}`];
  });
  if (offset !== 0) terms.push(u32(offset));
  return terms.length === 0 ? "0u" : terms.join(" + ");
}

/** Statements that split the linear index `from` into `names`, the axis `order` names last running fastest. */
export function decode(
  from: string,
  shape: Shape,
  names: readonly string[],
  order: readonly number[] = shape.map((_, axis) => axis),
): string {
  const lines: string[] = [];
  const real = order.filter((axis) => shape[axis] !== 1);
  for (const axis of order) if (shape[axis] === 1) lines.push(`let ${names[axis]} = 0u;`);
  let rest = from;
  for (let i = real.length - 1; i >= 0; i--) {
    const axis = real[i]!;
    if (i === 0) lines.push(`let ${names[axis]} = ${rest};`);
    else {
      const next = `${names[axis]}_rest`;
      lines.push(`let ${next} = ${rest} / ${u32(shape[axis]!)};`);
      lines.push(`let ${names[axis]} = ${rest} - ${next} * ${u32(shape[axis]!)};`);
      rest = next;
    }
  }
  return lines.join("\n");
}

/** Axes by falling stride, so that the last one is next to it in memory. */
export function memoryOrder(strides: readonly number[]): number[] {
  return strides
    .map((_, axis) => axis)
    .sort((a, b) => Math.abs(strides[b]!) - Math.abs(strides[a]!) || a - b);
}

/** Drops axes of size 1 and merges neighbours that every set of strides walks as one. */
export function collapse(
  shape: Shape,
  strides: readonly (readonly number[])[],
): { shape: number[]; strides: number[][] } {
  const sizes: number[] = [];
  const kept: number[][] = strides.map(() => []);
  if (elementCount(shape) === 0) return { shape: [0], strides: strides.map(() => [0]) };
  shape.forEach((size, axis) => {
    if (size === 1) return;
    const last = sizes.length - 1;
    const merges = last >= 0 && strides.every((one, i) => kept[i]![last] === one[axis]! * size);
    if (merges) {
      sizes[last]! *= size;
      for (const [i, one] of strides.entries()) kept[i]![last] = one[axis]!;
    } else {
      sizes.push(size);
      for (const [i, one] of strides.entries()) kept[i]!.push(one[axis]!);
    }
  });
  return { shape: sizes, strides: kept };
}

/** Coordinate names c0, c1, ... */
export function coordinates(rank: number, letter = "c"): string[] {
  return Array.from({ length: rank }, (_, axis) => `${letter}${axis}`);
}
