import { expect } from "vitest";
import { type DType, type HostArray, hostArray } from "../../src/core/dtype.js";
import { call, constant, core, type Expr, input } from "../../src/core/expression.js";
import type { Kernel } from "../../src/core/kernel.js";
import { type Operand, type Plan, type Step, showPlan, type ValueOperand } from "../../src/core/plan.js";
import type { ScalarType } from "../../src/core/scalar.js";
import { denseStrides, type Shape } from "../../src/core/shape.js";
import type { Device } from "../../src/devices/device.js";

/** Single steps over small tensors, to hold a device to the reference device. */

export interface Tensor {
  readonly data: HostArray;
  readonly dtype: DType;
}

/** A plan over whole buffers: value i is binding i + 1. */
export function planOf(
  tensors: readonly Tensor[],
  steps: readonly Step[],
  scalars: Plan["scalars"] = [],
): Plan {
  const body = {
    steps,
    values: tensors.map(({ data, dtype }, i) => ({
      dtype,
      buffer: i + 1,
      byteOffset: 0,
      elements: data.length,
    })),
    arenaBytes: 0,
    bindings: tensors.length,
    scalars,
  };
  return { ...body, toString: () => showPlan(body) };
}

export async function runOn(
  device: Device,
  plan: Plan,
  tensors: readonly Tensor[],
  scalars: readonly number[] = [],
): Promise<HostArray[]> {
  const bindings = tensors.map(({ data }) => {
    const buffer = device.allocate(data.byteLength);
    device.write(buffer, 0, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return { buffer, byteOffset: 0 };
  });
  const prepared = device.prepare(plan);
  await device.run(prepared, bindings, scalars);
  const out: HostArray[] = [];
  for (const [i, { buffer }] of bindings.entries()) {
    out.push(hostArray(tensors[i]!.dtype, await device.read(buffer, 0, buffer.byteLength)));
    device.free(buffer);
  }
  return out;
}

export function close(
  actual: HostArray,
  expected: HostArray,
  relative: number,
  absolute: number,
  what: string,
): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i]!;
    const e = expected[i]!;
    if (Object.is(a, e) || a === e) continue;
    if (!(Math.abs(a - e) <= relative * Math.abs(e) + absolute))
      expect.fail(`${what}[${i}]: ${a}, expected ${e}`);
  }
}

/** The error's root of squares by that of what was expected. */
export function relativeL2(actual: HostArray, expected: HostArray): number {
  let wrong = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    wrong += (actual[i]! - expected[i]!) ** 2;
    size += expected[i]! ** 2;
  }
  return Math.sqrt(wrong / size);
}

let seed = 1;

/** Starts the numbers anew, so that a test's do not depend on the tests before it. */
export function restartNumbers(): void {
  seed = 1;
}

export function random(): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
}

export function floats(count: number): Tensor {
  return { dtype: "f32", data: Float32Array.from({ length: count }, () => random() * 4 - 2) };
}
export function ints(count: number, below: number): Tensor {
  return { dtype: "i32", data: Int32Array.from({ length: count }, () => Math.floor(random() * below)) };
}
export function bytes(count: number, below = 256): Tensor {
  return { dtype: "u8", data: Uint8Array.from({ length: count }, () => Math.floor(random() * below)) };
}

export function at(
  value: number,
  dtype: DType,
  shape: Shape,
  strides: readonly number[] = denseStrides(shape),
  offset = 0,
): ValueOperand {
  return { kind: "value", value, dtype, shape, strides, offset };
}

export function step(
  kernel: Kernel,
  shape: Shape,
  inputs: readonly Operand[],
  outputs: Step["outputs"],
  extras: readonly Operand[] = [],
  pre: Expr | null = null,
): Step {
  return { kernel, shape, inputs, pre, extras, outputs };
}

export const pointwise: Kernel = { kind: "pointwise" };
export const x = (index: number): Expr => input(index, "f32");
export const nhwc = ([, c, h, w]: Shape): number[] => [c! * h! * w!, 1, w! * c!, c!];

export const nastyFloats = [
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  1.5,
  2.5,
  -2.5,
  3,
  1e-3,
  -1e-3,
  1e-10,
  1e-38,
  1e-42,
  -1e-42,
  1.4e-45,
  0.7,
  -0.7,
  10,
  -10,
  20.5,
  -20.5,
  88,
  88.8,
  89,
  -87.4,
  -100,
  -103.9,
  -104,
  128,
  1e4,
  -1e4,
  1e6,
  8388607.5,
  8388609,
  16777217,
  2147483520,
  2147483648,
  -2147483648,
  3e9,
  -3e9,
  1e20,
  1e38,
  -1e38,
  3.4028234e38,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
  Math.PI,
  Math.PI / 2,
  -3 * Math.PI,
  0.625,
  0.6249,
  9.01,
  33.3,
  -55.5,
];
export const nastyInts = [
  0,
  1,
  -1,
  2,
  3,
  31,
  30,
  7,
  -7,
  255,
  65536,
  1 << 30,
  2147483647,
  -2147483648,
  123456789,
  -987654321,
];

/** Every combination of nasty values, one column per argument. */
export function columns(types: readonly ScalarType[], name: string): Tensor[] {
  const lists = types.map((type) => {
    if (type === "bool") return [0, 1];
    if (type === "f32") return nastyFloats;
    return nastyInts;
  });
  const count = name === "philox" ? 4096 : lists.reduce((n, list) => n * list.length, 1);
  const out = types.map((type) => (type === "f32" ? new Float32Array(count) : new Int32Array(count)));
  for (let i = 0; i < count; i++) {
    let rest = name === "philox" ? Math.floor(random() * 65536) : i;
    lists.forEach((list, k) => {
      out[k]![i] = list[rest % list.length]!;
      rest = Math.floor(rest / list.length);
    });
  }
  return out.map((data) => ({ data, dtype: data instanceof Float32Array ? "f32" : "i32" }));
}

export function typed(index: number, type: ScalarType): Expr {
  if (type === "u32") return call("u32FromI32", input(index, "i32"));
  if (type === "bool") return call("ne", input(index, "i32"), constant(0, "i32"));
  return input(index, type);
}

/** A step's one output: the kernel's result, or `expr`, into value `value`. */
export const out = (
  value: number,
  shape: Shape,
  strides?: number[],
  expr: Expr = core(0, "f32"),
): Step["outputs"] => [{ target: at(value, "f32", shape, strides), expr }];
