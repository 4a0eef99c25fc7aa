import type { Kernel } from "../../core/kernel.js";
import type { Operand } from "../../core/plan.js";
import type { Shape } from "../../core/shape.js";
import type { Factor, Gemm, Slide } from "./gemm.js";
import { decode, indexText } from "./indices.js";
import type { Frame } from "./shader.js";

export type Convolution = Extract<Kernel, { kind: "conv2d" | "conv2dInputGrad" | "conv2dWeightGrad" }>;
type Four = [number, number, number, number];

/** A channel within the group, and where in the kernel. */
const taps = ["q", "ky", "kx"];

/** Strides and offset of a four-dimensional operand; zeros for a number. */
export function placeOf(operand: Operand): { strides: Four; offset: number } {
  if (operand.kind === "scalar") return { strides: [0, 0, 0, 0], offset: 0 };
  return { strides: operand.strides as unknown as Four, offset: operand.offset };
}

/** WGSL for a place in memory as i32, by names and strides. */
export function at(names: string[], shape: number[], strides: number[], offset = 0): string {
  return `bitcast<i32>(${indexText(names, { shape, strides, offset })})`;
}

/** The convolution's weight [o, c, kh, kw] as a factor over m = o or c (within the group), k = the rest. */
function weightFactor(frame: Frame, weight: Operand, groups: number, overInput: boolean): Factor {
  const { strides, offset } = placeOf(weight);
  const [o, c, kh, kw] = weight.shape as unknown as Four;
  const perGroup = o / groups;
  const inner = overInput ? [perGroup, kh, kw] : [c, kh, kw];
  const innerStrides = overInput ? [strides[0], strides[2], strides[3]] : strides.slice(1);
  const first = at(["batch"], [groups], [perGroup * strides[0]], offset);
  const own = overInput ? at(["i"], [c], [strides[1]]) : at(["i"], [perGroup], [strides[0]]);
  return {
    outer: `return vec4<i32>(${first} + ${own}, 0i, 0i, 0i);`,
    inner: `return vec4<i32>(${at(taps, inner, innerStrides)}, 0i, 0i, 0i);`,
    at: `return ${frame.float(weight, "bitcast<u32>(o.x + i.x)")};`,
    innerIsNear: true,
  };
}

/** Reads `operand` at `base`, `row` and `column` where these lie inside the image, else 0; without a branch, at a place that exists. */
export function inside(
  frame: Frame,
  operand: Operand,
  base: string,
  conditions: readonly string[] = [],
): string {
  const { strides } = placeOf(operand);
  const [, , height, width] = operand.shape as unknown as Four;
  const place = at(["bitcast<u32>(row)", "bitcast<u32>(column)"], [height, width], strides.slice(2));
  const all = [`(bitcast<u32>(row) < ${height}u)`, `(bitcast<u32>(column) < ${width}u)`, ...conditions];
  return `let is_inside = ${all.join(" & ")};
let place = select(0u, bitcast<u32>(${base} + ${place}), is_inside);
return select(0f, ${frame.float(operand, "place")}, is_inside);`;
}

/** Taps of a kernel's row that a thread takes at once. */
const mostTaps = 7;

/** How the image slides past the kernel along a row of `length`, where neither skips a column. */
function slideOf(g: Convolution, length: number, taps: number, isBackward: boolean): Slide | undefined {
  return g.stride[1] === 1 && g.dilation[1] === 1 && taps > 1 && taps <= mostTaps
    ? { length, isBackward }
    : undefined;
}

/** The three passes of a convolution as products (implicit GEMM); m are channels, so that n runs along an image. */
export function convolution(frame: Frame, kernel: Convolution, splits: number): Gemm {
  const { step } = frame;
  const [x, y] = step.inputs as [Operand, Operand];
  const shape = (splits > 1 ? step.shape.slice(1) : step.shape) as unknown as Four;
  return kernel.kind === "conv2dWeightGrad"
    ? weightGradient(frame, kernel, shape, x, y, splits)
    : overImage(frame, kernel, shape, x, y);
}

/** Forward, where `image` is the input, and the gradient by the input, where it is what comes from above. */
function overImage(frame: Frame, g: Convolution, shape: Four, image: Operand, weight: Operand): Gemm {
  const isGradient = g.kind === "conv2dInputGrad";
  const [batch, , height, width] = shape;
  const [o, c, kh, kw] = weight.shape as unknown as Four;
  const perGroup = o / g.groups;
  /** Channels of a group: those that are summed, and those that result. */
  const [from, to] = isGradient ? [perGroup, c] : [c, perGroup];
  const pixels = [batch, height, width];
  const { strides, offset } = placeOf(image);
  /** Where a result's first tap reads. */
  const start = (name: string, axis: 0 | 1): string =>
    isGradient
      ? `bitcast<i32>(${name}) + ${g.padding[2 * axis]}i`
      : `bitcast<i32>(${name}) * ${g.stride[axis]}i - ${g.padding[2 * axis]}i`;
  /** The row or column that a tap reads; of a gradient what lies above it, rounded up or down where there is nothing. */
  const reached = (name: string, axis: 0 | 1): string => {
    const component = "yz"[axis];
    if (!isGradient) return `let ${name} = o.${component} + i.${component};`;
    const stride = g.stride[axis];
    return stride === 1
      ? `let ${name} = o.${component} - i.${component};`
      : `let ${name}_at = o.${component} - i.${component};\nlet ${name} = select(${name}_at / ${stride}i, -1i, ${name}_at < 0i);`;
  };
  const isWhole = ["row", "column"].flatMap((name, axis) =>
    isGradient && g.stride[axis]! > 1 ? [`(${name} * ${g.stride[axis]}i == ${name}_at)`] : [],
  );
  return {
    batches: g.groups,
    m: to,
    n: batch * height * width,
    k: from * kh * kw,
    inner: { names: taps, shape: [from, kh, kw] },
    splits: 1,
    a: weightFactor(frame, weight, g.groups, isGradient),
    b: {
      outer: `${decode("i", pixels, ["image", "y", "x"])}
return vec4<i32>(${at(["image", "batch"], [batch, g.groups], [strides[0], from * strides[1]], offset)}, ${start("y", 0)}, ${start("x", 1)}, 0i);`,
      inner: `return vec4<i32>(${at(["q"], [from], [strides[1]])}, bitcast<i32>(ky) * ${g.dilation[0]}i, bitcast<i32>(kx) * ${g.dilation[1]}i, 0i);`,
      at: `${reached("row", 0)}
${reached("column", 1)}
${inside(frame, image, "o.x + i.x", isWhole)}`,
      innerIsNear: false,
    },
    slides: slideOf(g, width, kw, isGradient),
    store: `${decode("n", pixels, ["image", "y", "x"])}
finish(image, batch * ${to}u + m, y, x, sum);`,
  };
}

function weightGradient(
  frame: Frame,
  g: Convolution,
  shape: Four,
  x: Operand,
  dy: Operand,
  splits: number,
): Gemm {
  const [o, c, kh, kw] = shape;
  const perGroup = o / g.groups;
  const [batch, , outH, outW] = dy.shape as unknown as Four;
  const pixels: Shape = [batch, outH, outW];
  const from = placeOf(x);
  const up = placeOf(dy);
  return {
    batches: g.groups,
    m: perGroup,
    n: c * kh * kw,
    k: batch * outH * outW,
    inner: { names: ["image", "y", "x"], shape: pixels },
    splits,
    a: {
      outer: `return vec4<i32>(${at(["batch", "i"], [g.groups, perGroup], [perGroup * up.strides[1], up.strides[1]], up.offset)}, 0i, 0i, 0i);`,
      inner: `return vec4<i32>(${at(["image", "y", "x"], [...pixels], [up.strides[0], up.strides[2], up.strides[3]])}, 0i, 0i, 0i);`,
      at: `return ${frame.float(dy, "bitcast<u32>(o.x + i.x)")};`,
      innerIsNear: up.strides[3] <= up.strides[1],
    },
    b: {
      outer: `${decode("i", [c, kh, kw], taps)}
return vec4<i32>(${at(["batch", "q"], [g.groups, c], [c * from.strides[1], from.strides[1]], from.offset)}, bitcast<i32>(ky) * ${g.dilation[0]}i - ${g.padding[0]}i, bitcast<i32>(kx) * ${g.dilation[1]}i - ${g.padding[2]}i, 0i);`,
      inner: `return vec4<i32>(${at(["image"], [batch], [from.strides[0]])}, bitcast<i32>(y) * ${g.stride[0]}i, bitcast<i32>(x) * ${g.stride[1]}i, 0i);`,
      at: `let row = o.y + i.y;
let column = o.z + i.z;
${inside(frame, x, "o.x + i.x")}`,
      innerIsNear: from.strides[3] <= from.strides[1],
    },
    store: `${decode("n", [c, kh, kw], taps)}
finish(${splits > 1 ? "split, " : ""}batch * ${perGroup}u + m, q, ky, kx, sum);`,
  };
}
