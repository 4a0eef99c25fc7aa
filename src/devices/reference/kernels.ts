import { compileExpr } from "../../core/expression.js";
import type { ConvGeometry, Kernel, ReduceOp, WindowGeometry } from "../../core/kernel.js";
import type { Step } from "../../core/plan.js";
import { denseStrides, elementCount, type Shape } from "../../core/shape.js";

/** An operand's elements by row-major index. */
type Elements = Float64Array;

/** A core's results by row-major index of the step's shape. Sums are taken in double precision. */
export type Core = Float64Array | Float32Array;

/** The cores of a step: none for pointwise, two for a max window and logSumExp, else one. */
export function runCore(step: Step, inputs: readonly Elements[]): Core[] {
  const { kernel, shape } = step;
  const shapes = step.inputs.map((operand) => operand.shape);
  const [a, b] = inputs as [Elements, Elements];
  const [aShape, bShape] = shapes as [Shape, Shape];
  switch (kernel.kind) {
    case "pointwise":
      return [];
    case "reduce":
      return kernel.op === "logSumExp"
        ? logSumExp(step, kernel.axes, inputs)
        : [reduce(step, kernel, inputs)];
    case "matmul":
      return [matmul(shape, a, aShape, b)];
    case "conv2d":
      return [conv2d(kernel, shape, a, aShape, b, bShape)];
    case "conv2dInputGrad":
      return [conv2dInputGrad(kernel, shape, a, aShape, b, bShape)];
    case "conv2dWeightGrad":
      return [conv2dWeightGrad(kernel, shape, a, aShape, b, bShape)];
    case "window":
      return window(kernel, shape, a, aShape);
    case "windowGrad":
      return [windowGrad(kernel, shape, a, aShape, b)];
    case "gather":
      return [gather(shape, a, aShape, b, bShape)];
    case "scatterAdd":
      return [scatterAdd(shape, a, aShape, b, bShape)];
    case "resize":
      return [resize(shape, a, aShape)];
    case "resizeGrad":
      return [resizeGrad(shape, a, aShape)];
    default:
      return kernel satisfies never;
  }
}

function reduce(
  step: Step,
  { op, axes }: Extract<Kernel, { kind: "reduce" }>,
  inputs: readonly Elements[],
): Core {
  const compute = compileExpr(step.pre!);
  const from = step.inputs[0]?.shape ?? step.shape;
  const out = new Float64Array(elementCount(step.shape)).fill(
    op === "sum" || op === "argmax" ? 0 : Number.NaN,
  );
  const best = new Float64Array(out.length);
  const seen = new Uint8Array(out.length);
  const strides = denseStrides(step.shape).map((stride, axis) => (axes.includes(axis) ? 0 : stride));
  const values = new Float64Array(inputs.length);
  eachIndex(from, strides, (i, at, index) => {
    for (let k = 0; k < inputs.length; k++) values[k] = inputs[k]![i]!;
    const value = compute(values, []);
    if (op === "sum") out[at]! += value;
    else if (op === "argmax") {
      if (!seen[at] || value > best[at]! || (Number.isNaN(value) && !Number.isNaN(best[at]!))) {
        out[at] = index[axes[0]!]!;
        best[at] = value;
      }
    } else if (!seen[at] || Number.isNaN(value) || (op === "max" ? value > out[at]! : value < out[at]!))
      out[at] = value;
    seen[at] = 1;
  });
  return out;
}

/** Calls `body` with each row-major index of a shape, and the place that strides give it. */
function eachIndex(
  shape: Shape,
  strides: readonly number[],
  body: (i: number, at: number, index: readonly number[]) => void,
): void {
  const index = new Array<number>(shape.length).fill(0);
  const count = elementCount(shape);
  for (let i = 0; i < count; i++) {
    let at = 0;
    for (let axis = 0; axis < index.length; axis++) at += index[axis]! * strides[axis]!;
    body(i, at, index);
    for (let axis = index.length - 1; axis >= 0; axis--) {
      if (++index[axis]! < shape[axis]!) break;
      index[axis] = 0;
    }
  }
}

function logSumExp(step: Step, axes: readonly number[], inputs: readonly Elements[]): Core[] {
  const over = (op: ReduceOp): Core => reduce(step, { kind: "reduce", op, axes }, inputs);
  const top = over("max");
  const total = new Float64Array(top.length);
  const compute = compileExpr(step.pre!);
  const from = step.inputs[0]?.shape ?? step.shape;
  const strides = denseStrides(step.shape).map((stride, axis) => (axes.includes(axis) ? 0 : stride));
  eachIndex(from, strides, (i, at) => {
    total[at]! += Math.exp(
      compute(
        Float64Array.from(inputs, (one) => one[i]!),
        [],
      ) - top[at]!,
    );
  });
  return [total.map((sum, at) => top[at]! + Math.log(sum)), over("argmax")];
}

function matmul(shape: Shape, a: Elements, aShape: Shape, b: Elements): Core {
  const [m, n] = shape.slice(-2) as [number, number];
  const k = aShape[aShape.length - 1]!;
  const batches = elementCount(shape) / Math.max(1, m * n);
  const out = new Float64Array(elementCount(shape));
  for (let batch = 0; batch < batches; batch++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++) sum += a[(batch * m + i) * k + p]! * b[(batch * k + p) * n + j]!;
        out[(batch * m + i) * n + j] = sum;
      }
    }
  }
  return out;
}

/** Calls `body` for every product of a convolution: row-major indices of output, input and weight. */
function eachProduct(
  g: ConvGeometry,
  output: Shape,
  input: Shape,
  weight: Shape,
  body: (output: number, input: number, weight: number) => void,
): void {
  const [batch, outChannels, outH, outW] = output as [number, number, number, number];
  const [, channels, height, width] = input as [number, number, number, number];
  const [, groupChannels, kernelH, kernelW] = weight as [number, number, number, number];
  const [top, , left] = g.padding;
  const outPerGroup = outChannels / g.groups;
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < outChannels; o++) {
      const firstChannel = Math.floor(o / outPerGroup) * groupChannels;
      for (let y = 0; y < outH; y++) {
        for (let x = 0; x < outW; x++) {
          const at = ((n * outChannels + o) * outH + y) * outW + x;
          for (let c = 0; c < groupChannels; c++) {
            for (let ky = 0; ky < kernelH; ky++) {
              const row = y * g.stride[0] - top + ky * g.dilation[0];
              if (row < 0 || row >= height) continue;
              for (let kx = 0; kx < kernelW; kx++) {
                const column = x * g.stride[1] - left + kx * g.dilation[1];
                if (column < 0 || column >= width) continue;
                const from = ((n * channels + firstChannel + c) * height + row) * width + column;
                body(at, from, ((o * groupChannels + c) * kernelH + ky) * kernelW + kx);
              }
            }
          }
        }
      }
    }
  }
}

function conv2d(g: ConvGeometry, shape: Shape, x: Elements, xShape: Shape, w: Elements, wShape: Shape): Core {
  const out = new Float64Array(elementCount(shape));
  eachProduct(g, shape, xShape, wShape, (o, i, k) => {
    out[o]! += x[i]! * w[k]!;
  });
  return out;
}

function conv2dInputGrad(
  g: ConvGeometry,
  shape: Shape,
  dy: Elements,
  dyShape: Shape,
  w: Elements,
  wShape: Shape,
): Core {
  const out = new Float64Array(elementCount(shape));
  eachProduct(g, dyShape, shape, wShape, (o, i, k) => {
    out[i]! += dy[o]! * w[k]!;
  });
  return out;
}

function conv2dWeightGrad(
  g: ConvGeometry,
  shape: Shape,
  x: Elements,
  xShape: Shape,
  dy: Elements,
  dyShape: Shape,
): Core {
  const out = new Float64Array(elementCount(shape));
  eachProduct(g, dyShape, xShape, shape, (o, i, k) => {
    out[k]! += x[i]! * dy[o]!;
  });
  return out;
}

/** Calls `body` for every place a window covers: row-major indices of output and input, and the tap's number. */
function eachTap(
  g: WindowGeometry,
  output: Shape,
  input: Shape,
  body: (output: number, input: number, tap: number) => void,
): void {
  const [batch, channels, outH, outW] = output as [number, number, number, number];
  const [, , height, width] = input as [number, number, number, number];
  const [top, , left] = g.padding;
  for (let plane = 0; plane < batch * channels; plane++) {
    for (let y = 0; y < outH; y++) {
      for (let x = 0; x < outW; x++) {
        for (let ky = 0; ky < g.kernelSize[0]; ky++) {
          const row = y * g.stride[0] - top + ky;
          if (row < 0 || row >= height) continue;
          for (let kx = 0; kx < g.kernelSize[1]; kx++) {
            const column = x * g.stride[1] - left + kx;
            if (column < 0 || column >= width) continue;
            body(
              (plane * outH + y) * outW + x,
              (plane * height + row) * width + column,
              ky * g.kernelSize[1] + kx,
            );
          }
        }
      }
    }
  }
}

function window(g: Extract<Kernel, { kind: "window" }>, shape: Shape, x: Elements, xShape: Shape): Core[] {
  const out = new Float64Array(elementCount(shape)).fill(g.op === "sum" ? 0 : Number.NEGATIVE_INFINITY);
  if (g.op === "sum") {
    eachTap(g, shape, xShape, (o, i) => {
      out[o]! += x[i]!;
    });
    return [out];
  }
  const taps = new Float64Array(out.length).fill(-1);
  eachTap(g, shape, xShape, (o, i, tap) => {
    const value = x[i]!;
    if (taps[o] === -1 || value > out[o]! || (Number.isNaN(value) && !Number.isNaN(out[o]!))) {
      out[o] = value;
      taps[o] = tap;
    }
  });
  return [out, taps];
}

function windowGrad(
  g: Extract<Kernel, { kind: "windowGrad" }>,
  shape: Shape,
  dy: Elements,
  dyShape: Shape,
  taps: Elements,
): Core {
  const out = new Float64Array(elementCount(shape));
  eachTap(g, dyShape, shape, (o, i, tap) => {
    if (g.op === "sum" || taps[o]! === tap) out[i]! += dy[o]!;
  });
  return out;
}

function gather(shape: Shape, table: Elements, tableShape: Shape, index: Elements, indexShape: Shape): Core {
  const rows = elementCount(indexShape);
  const size = elementCount(shape) / Math.max(1, rows);
  const out = new Float64Array(elementCount(shape));
  for (let r = 0; r < rows; r++) {
    const row = index[r]!;
    if (row < 0 || row >= tableShape[0]!) continue;
    for (let i = 0; i < size; i++) out[r * size + i] = table[row * size + i]!;
  }
  return out;
}

function scatterAdd(shape: Shape, dy: Elements, dyShape: Shape, index: Elements, indexShape: Shape): Core {
  const rows = elementCount(indexShape);
  const size = elementCount(dyShape) / Math.max(1, rows);
  const out = new Float64Array(elementCount(shape));
  for (let r = 0; r < rows; r++) {
    const row = index[r]!;
    if (row < 0 || row >= shape[0]!) continue;
    for (let i = 0; i < size; i++) out[row * size + i]! += dy[r * size + i]!;
  }
  return out;
}

/** The two source positions of an output position and the weight of the second: half-pixel centres, clamped. */
function taps(at: number, from: number, to: number): [low: number, high: number, weight: number] {
  const source = Math.max(0, Math.fround(Math.fround((at + 0.5) * Math.fround(from / to)) - 0.5));
  const low = Math.min(from - 1, Math.floor(source));
  return [low, Math.min(from - 1, low + 1), Math.fround(source - low)];
}

/** Calls `body` for each of the four sources of every output pixel. */
function eachBlend(
  output: Shape,
  input: Shape,
  body: (output: number, input: number, weight: number) => void,
): void {
  const [batch, channels, outH, outW] = output as [number, number, number, number];
  const [, , height, width] = input as [number, number, number, number];
  for (let plane = 0; plane < batch * channels; plane++) {
    for (let y = 0; y < outH; y++) {
      const [y0, y1, wy] = taps(y, height, outH);
      for (let x = 0; x < outW; x++) {
        const [x0, x1, wx] = taps(x, width, outW);
        const at = (plane * outH + y) * outW + x;
        body(at, (plane * height + y0) * width + x0, (1 - wy) * (1 - wx));
        body(at, (plane * height + y0) * width + x1, (1 - wy) * wx);
        body(at, (plane * height + y1) * width + x0, wy * (1 - wx));
        body(at, (plane * height + y1) * width + x1, wy * wx);
      }
    }
  }
}

function resize(shape: Shape, x: Elements, xShape: Shape): Core {
  const out = new Float64Array(elementCount(shape));
  eachBlend(shape, xShape, (o, i, weight) => {
    out[o]! += weight * x[i]!;
  });
  return out;
}

function resizeGrad(shape: Shape, dy: Elements, dyShape: Shape): Core {
  const out = new Float64Array(elementCount(shape));
  eachBlend(dyShape, shape, (o, i, weight) => {
    out[i]! += weight * dy[o]!;
  });
  return out;
}
