import { constant, core } from "../../core/expression.js";
import type { Operand, Step, ValueOperand } from "../../core/plan.js";
import { elementCount, type Shape } from "../../core/shape.js";
import { literal } from "../../render/wgsl.js";
import { at, type Convolution, inside, placeOf } from "./convolution.js";
import { decode, u32 } from "./indices.js";
import type { Layout } from "./layout.js";
import type { Frame, Kernel, Launch } from "./shader.js";
import type { ConvolutionVariantName } from "./variants.js";

/**
 * Minimal filtering (Winograd; Lavin and Gray, "Fast algorithms for convolutional neural networks", 2015) of 3x3 kernels
 * that move by single pixels. Three dispatches: image and weights are transformed, the sums over channels are a product for
 * each point, whose results are transformed back. F(4x4,3x3) multiplies 36 times where the direct sum does 144 times, F(2x2,3x3) 16 for 36.
 */
type Matrix = readonly (readonly number[])[];

interface Transforms {
  readonly image: Matrix;
  readonly weight: Matrix;
  readonly result: Matrix;
}

/** By how many results a tile has along an axis. */
const transforms: Record<2 | 4, Transforms> = {
  2: {
    image: [
      [1, 0, -1, 0],
      [0, 1, 1, 0],
      [0, -1, 1, 0],
      [0, 1, 0, -1],
    ],
    weight: [
      [1, 0, 0],
      [1 / 2, 1 / 2, 1 / 2],
      [1 / 2, -1 / 2, 1 / 2],
      [0, 0, 1],
    ],
    result: [
      [1, 1, 1, 0],
      [0, 1, -1, -1],
    ],
  },
  4: {
    image: [
      [4, 0, -5, 0, 1, 0],
      [0, -4, -4, 1, 1, 0],
      [0, 4, -4, -1, 1, 0],
      [0, -2, -1, 2, 1, 0],
      [0, 2, -1, -2, 1, 0],
      [0, 4, 0, -5, 0, 1],
    ],
    weight: [
      [1 / 4, 0, 0],
      [-1 / 6, -1 / 6, -1 / 6],
      [-1 / 6, 1 / 6, -1 / 6],
      [1 / 24, 1 / 12, 1 / 6],
      [1 / 24, -1 / 12, 1 / 6],
      [0, 0, 1],
    ],
    result: [
      [1, 1, 1, 1, 1, 0],
      [0, 1, -1, 2, -2, 0],
      [0, 1, 1, 4, 4, 0],
      [0, 1, -1, 8, -8, 1],
    ],
  },
};

/** Fewer channels of a group do not repay the transforms. */
const leastChannels = 16;
const threads = 64;

type Four = [number, number, number, number];

/** A convolution, or its gradient by the input, cut into tiles. */
interface Tiling {
  readonly kernel: Convolution;
  readonly tile: 2 | 4;
  /** Channels of a group: those that are summed, and those that result. */
  readonly from: number;
  readonly to: number;
  /** Image, row and column of a tile. */
  readonly tiles: Shape;
}

/** The dispatches of a step by minimal filtering; null where it does not apply. */
export function winograd(step: Step, variant: ConvolutionVariantName, layout: Layout): Launch[] | null {
  const tiling = variant === "direct" ? null : tilingOf(step, variant === "winograd" ? 4 : 2);
  if (!tiling) return null;
  const { kernel, tile, from, to, tiles } = tiling;
  const { groups } = kernel;
  const points = (tile + 2) ** 2;
  const perGroup = [points, groups] as const;
  const count = elementCount(tiles);
  if (points * groups * Math.max(from, to) * Math.max(count, from) >= 2 ** 32) return null;
  const image = layout.scratch("f32", [...perGroup, from, count]);
  const weight = layout.scratch("f32", [...perGroup, to, from]);
  const result = layout.scratch("f32", [...perGroup, to, count]);
  const plain = { pre: null, extras: [] };
  const zero = constant(0, "f32");
  const transform: Step = {
    ...plain,
    kernel,
    shape: image.shape,
    inputs: step.inputs,
    outputs: [
      { target: image, expr: zero },
      { target: weight, expr: zero },
    ],
  };
  const product: Step = {
    ...plain,
    kernel: { kind: "matmul" },
    shape: result.shape,
    inputs: [weight, image],
    outputs: [{ target: result, expr: core(0, "f32") }],
  };
  return [
    { step: transform, splits: 1, own: (frame) => transformInputs(frame, tiling) },
    { step: product, splits: 1 },
    { step: { ...step, inputs: [result] }, splits: 1, own: (frame) => transformResult(frame, tiling) },
  ];
}

function tilingOf({ kernel, inputs, shape }: Step, tile: 2 | 4): Tiling | null {
  if (kernel.kind !== "conv2d" && kernel.kind !== "conv2dInputGrad") return null;
  const [o, c, kh, kw] = inputs[1]!.shape as unknown as Four;
  const moves = [...kernel.stride, ...kernel.dilation];
  if (kh !== 3 || kw !== 3 || moves.some((by) => by !== 1)) return null;
  const perGroup = o / kernel.groups;
  if (Math.min(c, perGroup) < leastChannels) return null;
  const [from, to] = kernel.kind === "conv2d" ? [c, perGroup] : [perGroup, c];
  const [images, , height, width] = shape as unknown as Four;
  return { kernel, tile, from, to, tiles: [images, Math.ceil(height / tile), Math.ceil(width / tile)] };
}

/** A thread a tile of a channel, then a thread a pair of channels: the image's transform and the weights'. */
function transformInputs(frame: Frame, { kernel, tile, from, to, tiles }: Tiling): Kernel {
  const { groups, padding } = kernel;
  const [source, weights] = frame.step.inputs as [Operand, Operand];
  const [image, weight] = frame.step.outputs.map(({ target }) => target) as [ValueOperand, ValueOperand];
  const size = tile + 2;
  const matrices = transforms[tile];
  const isGradient = kernel.kind === "conv2dInputGrad";
  const images = groups * from * elementCount(tiles);
  const kernels = groups * to * from;
  const channels = [groups * from, ...tiles];
  const pixels = placeOf(source);
  const { strides, offset } = placeOf(weights);
  // The gradient's kernel is the other way round, and its padding what is left of the kernel's two.
  const taps = isGradient ? [2, 1, 0] : [0, 1, 2];
  const before = [padding[0], padding[2]].map((given) => (isGradient ? 2 - given : given));
  const [toStride, fromStride] = isGradient ? [strides[1], strides[0]] : [strides[0], strides[1]];
  const groupStride = (isGradient ? from : to) * strides[0];
  const put = (target: ValueOperand, count: number, index: string) =>
    square(size, (r, c) => frame.store(target, `${u32((r * size + c) * count)} + ${index}`, `out${r}_${c}`));
  const functions = `fn pixel(base: i32, row: i32, column: i32) -> f32 {
${inside(frame, source, "base")}
}
fn weight_at(base: u32, tap: u32) -> f32 { return ${frame.float(weights, "base + tap")}; }
`;
  const body = `let i = group * ${threads}u + lane;
if (i < ${images}u) {
${decode("i", channels, ["channel", "image", "tile_y", "tile_x"])}
let base = ${at(["image", "channel"], [channels[1]!, channels[0]!], [pixels.strides[0], pixels.strides[1]], pixels.offset)};
let top = bitcast<i32>(tile_y * ${tile}u) - ${before[0]}i;
let left = bitcast<i32>(tile_x * ${tile}u) - ${before[1]}i;
${square(size, (r, c) => `let in${r}_${c} = pixel(base, top + ${r}i, left + ${c}i);`)}
${bothSides(matrices.image)}
${put(image, images, "i")}
} else if (i < ${images + kernels}u) {
let j = i - ${images}u;
${decode("j", [groups, to, from], ["part", "result", "summed"])}
let base = ${u32(offset)} + part * ${u32(groupStride)} + result * ${u32(toStride)} + summed * ${u32(fromStride)};
${square(3, (r, c) => `let in${r}_${c} = weight_at(base, ${u32(taps[r]! * strides[2] + taps[c]! * strides[3])});`)}
${bothSides(matrices.weight)}
${put(weight, kernels, "j")}
}`;
  return { functions, body, threads, workgroups: Math.ceil((images + kernels) / threads) };
}

/** A thread a tile of a channel: its results, each through the step's expressions. */
function transformResult(frame: Frame, { kernel, tile, to, tiles }: Tiling): Kernel {
  const [sums] = frame.step.inputs as [Operand];
  const [, , height, width] = frame.step.shape as unknown as Four;
  const size = tile + 2;
  const count = kernel.groups * to * elementCount(tiles);
  const body = `let i = group * ${threads}u + lane;
if (i >= ${count}u) { return; }
${decode("i", [kernel.groups * to, ...tiles], ["channel", "image", "tile_y", "tile_x"])}
${square(size, (r, c) => `let in${r}_${c} = ${frame.float(sums, `${u32((r * size + c) * count + placeOf(sums).offset)} + i`)};`)}
${bothSides(transforms[tile].result)}
var results: array<f32, ${tile * tile}>;
${square(tile, (r, c) => `results[${r * tile + c}] = out${r}_${c};`)}
for (var row = 0u; row < ${tile}u; row++) {
for (var column = 0u; column < ${tile}u; column++) {
let y = tile_y * ${tile}u + row;
let x = tile_x * ${tile}u + column;
if (y < ${height}u && x < ${width}u) { finish(image, channel, y, x, results[row * ${tile}u + column]); }
}
}`;
  return { functions: frame.finish(["f32"]), body, threads, workgroups: Math.ceil(count / threads) };
}

/** Statements for each row and column of a square. */
function square(size: number, text: (row: number, column: number) => string): string {
  return Array.from({ length: size * size }, (_, i) => text(Math.floor(i / size), i % size)).join("\n");
}

/** Statements that declare out = matrix * in * transposed matrix, from in0_0, in0_1, ... */
function bothSides(matrix: Matrix): string {
  const lines: string[] = [];
  matrix.forEach((weights, r) => {
    for (let c = 0; c < weights.length; c++)
      lines.push(`let half${r}_${c} = ${weighted(weights, (k) => `in${k}_${c}`)};`);
  });
  matrix.forEach((_, r) => {
    matrix.forEach((weights, c) => {
      lines.push(`let out${r}_${c} = ${weighted(weights, (k) => `half${r}_${k}`)};`);
    });
  });
  return lines.join("\n");
}

function weighted(weights: readonly number[], name: (k: number) => string): string {
  const terms = weights.flatMap((weight, k) => {
    if (weight === 0) return [];
    const size = Math.abs(weight);
    const text = size === 1 ? name(k) : `${literal({ type: "f32", value: size })} * ${name(k)}`;
    return [`${weight < 0 ? "-" : "+"} ${text}`];
  });
  return terms.join(" ").replace(/^\+ /, "");
}
