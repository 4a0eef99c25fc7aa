import type { Kernel } from "../../core/kernel.js";
import type { Operand } from "../../core/plan.js";
import type { Shape } from "../../core/shape.js";
import type { Factor, Gemm, Slide } from "./gemm.js";
import { decode, indexText } from "./indices.js";
import type { Frame } from "./shader.js";

type Convolution = Extract<Kernel, { kind: "conv2d" | "conv2dInputGrad" | "conv2dWeightGrad" }>;
type Four = [number, number, number, number];

/** A channel within the group, and where in the kernel. */
const taps = ["q", "ky", "kx"];

/** Strides and offset of a four-dimensional operand; zeros for a number. */
function placeOf(operand: Operand): { strides: Four; offset: number } {
  if (operand.kind === "scalar") return { strides: [0, 0, 0, 0], offset: 0 };
  return { strides: operand.strides as unknown as Four, offset: operand.offset };
}

/** WGSL for a place in memory as i32, by names and strides. */
function at(names: string[], shape: number[], strides: number[], offset = 0): string {
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

/** Reads `operand` where row and column lie inside the image, else 0; without a branch, at a place that exists. */
function inside(frame: Frame, operand: Operand, conditions: readonly string[] = []): string {
  const { strides } = placeOf(operand);
  const [, , height, width] = operand.shape as unknown as Four;
  const place = at(["bitcast<u32>(row)", "bitcast<u32>(column)"], [height, width], strides.slice(2));
  const all = [`(bitcast<u32>(row) < ${height}u)`, `(bitcast<u32>(column) < ${width}u)`, ...conditions];
  return `let is_inside = ${all.join(" & ")};
let place = select(0u, bitcast<u32>(o.x + i.x + ${place}), is_inside);
return select(0f, ${frame.float(operand, "place")}, is_inside);`;
}

/** Taps of a kernel's row that a thread takes at once. */
const mostTaps = 7;

/** How the image slides past the kernel along a row of `length`, where neither skips a column. */
function slideOf(g: Convolution, length: number, taps: number, isBackward = false): Slide | undefined {
  return g.stride[1] === 1 && g.dilation[1] === 1 && taps > 1 && taps <= mostTaps
    ? { length, isBackward }
    : undefined;
}

/** The three passes of a convolution as products (implicit GEMM); m are channels, so that n runs along an image. */
export function convolution(frame: Frame, kernel: Convolution, splits: number): Gemm {
  const { step } = frame;
  const [x, y] = step.inputs as [Operand, Operand];
  const shape = (splits > 1 ? step.shape.slice(1) : step.shape) as unknown as Four;
  switch (kernel.kind) {
    case "conv2d":
      return forward(frame, kernel, shape, x, y);
    case "conv2dInputGrad":
      return inputGradient(frame, kernel, shape, x, y);
    case "conv2dWeightGrad":
      return weightGradient(frame, kernel, shape, x, y, splits);
    default:
      return kernel satisfies never;
  }
}

function forward(frame: Frame, g: Convolution, shape: Four, x: Operand, weight: Operand): Gemm {
  const [batch, outChannels, outH, outW] = shape;
  const [, c, kh, kw] = weight.shape as unknown as Four;
  const pixels = [batch, outH, outW];
  const { strides, offset } = placeOf(x);
  return {
    batches: g.groups,
    m: outChannels / g.groups,
    n: batch * outH * outW,
    k: c * kh * kw,
    inner: { names: taps, shape: [c, kh, kw] },
    splits: 1,
    a: weightFactor(frame, weight, g.groups, false),
    b: {
      outer: `${decode("i", pixels, ["image", "y", "x"])}
return vec4<i32>(${at(["image", "batch"], [batch, g.groups], [strides[0], c * strides[1]], offset)}, bitcast<i32>(y) * ${g.stride[0]}i - ${g.padding[0]}i, bitcast<i32>(x) * ${g.stride[1]}i - ${g.padding[2]}i, 0i);`,
      inner: `return vec4<i32>(${at(["q"], [c], [strides[1]])}, bitcast<i32>(ky) * ${g.dilation[0]}i, bitcast<i32>(kx) * ${g.dilation[1]}i, 0i);`,
      at: `let row = o.y + i.y;
let column = o.z + i.z;
${inside(frame, x)}`,
      innerIsNear: false,
    },
    slides: slideOf(g, outW, kw),
    store: `${decode("n", pixels, ["image", "y", "x"])}
finish(image, batch * ${outChannels / g.groups}u + m, y, x, sum);`,
  };
}

function inputGradient(frame: Frame, g: Convolution, shape: Four, dy: Operand, weight: Operand): Gemm {
  const [batch, channels, height, width] = shape;
  const [o, c, kh, kw] = weight.shape as unknown as Four;
  const perGroup = o / g.groups;
  const pixels = [batch, height, width];
  const { strides, offset } = placeOf(dy);
  const [rowStride, columnStride] = g.stride;
  /** The output row or column that a tap leads to, rounded up or down where there is none. */
  const upstream = (name: string, axis: "y" | "z", stride: number): string =>
    stride === 1
      ? `let ${name} = o.${axis} - i.${axis};`
      : `let ${name}_at = o.${axis} - i.${axis};\nlet ${name} = select(${name}_at / ${stride}i, -1i, ${name}_at < 0i);`;
  const isWhole = [
    ...(rowStride === 1 ? [] : [`(row * ${rowStride}i == row_at)`]),
    ...(columnStride === 1 ? [] : [`(column * ${columnStride}i == column_at)`]),
  ];
  return {
    batches: g.groups,
    m: channels / g.groups,
    n: batch * height * width,
    k: perGroup * kh * kw,
    inner: { names: taps, shape: [perGroup, kh, kw] },
    splits: 1,
    a: weightFactor(frame, weight, g.groups, true),
    b: {
      outer: `${decode("i", pixels, ["image", "y", "x"])}
return vec4<i32>(${at(["image", "batch"], [batch, g.groups], [strides[0], perGroup * strides[1]], offset)}, bitcast<i32>(y) + ${g.padding[0]}i, bitcast<i32>(x) + ${g.padding[2]}i, 0i);`,
      inner: `return vec4<i32>(${at(["q"], [perGroup], [strides[1]])}, bitcast<i32>(ky) * ${g.dilation[0]}i, bitcast<i32>(kx) * ${g.dilation[1]}i, 0i);`,
      at: `${upstream("row", "y", rowStride)}
${upstream("column", "z", columnStride)}
${inside(frame, dy, isWhole)}`,
      innerIsNear: false,
    },
    slides: slideOf(g, width, kw, true),
    store: `${decode("n", pixels, ["image", "y", "x"])}
finish(image, batch * ${c}u + m, y, x, sum);`,
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
${inside(frame, x)}`,
      innerIsNear: from.strides[3] <= from.strides[1],
    },
    store: `${decode("n", [c, kh, kw], taps)}
finish(${splits > 1 ? "split, " : ""}batch * ${perGroup}u + m, q, ky, kx, sum);`,
  };
}
