import type { Kernel as PlanKernel } from "../../core/kernel.js";
import type { Operand } from "../../core/plan.js";
import { eachElement } from "./pointwise.js";
import { type Frame, type Kernel, operandIndex } from "./shader.js";

type Window = Extract<PlanKernel, { kind: "window" }>;
type WindowGradient = Extract<PlanKernel, { kind: "windowGrad" }>;

/** A thread an output; the taps of its window in order. */
export function window(frame: Frame, g: Window): Kernel {
  const [x] = frame.step.inputs as [Operand];
  const [, , height, width] = x.shape as [number, number, number, number];
  const [kernelH, kernelW] = g.kernelSize;
  const value = frame.float(x, operandIndex(x, ["c0", "c1", "bitcast<u32>(row)", "bitcast<u32>(column)"]));
  const isMax = g.op === "max";
  const take = isMax
    ? `if (tap < 0i || value > best || (is_nan(value) && !is_nan(best))) { best = value; tap = bitcast<i32>(ky * ${kernelW}u + kx); }`
    : "best += value;";
  const core = `var best = ${isMax ? "-infinity()" : "0f"};
${isMax ? "var tap = -1i;" : ""}
for (var ky = 0u; ky < ${kernelH}u; ky++) {
let row = bitcast<i32>(c2 * ${g.stride[0]}u + ky) - ${g.padding[0]}i;
if (row < 0i || row >= ${height}i) { continue; }
for (var kx = 0u; kx < ${kernelW}u; kx++) {
let column = bitcast<i32>(c3 * ${g.stride[1]}u + kx) - ${g.padding[2]}i;
if (column < 0i || column >= ${width}i) { continue; }
let value = ${value};
${take}
}
}
let core0 = best;
${isMax ? "let core1 = tap;" : ""}`;
  return eachElement(frame, isMax ? ["f32", "i32"] : ["f32"], core);
}

/** A thread an input element, which asks the windows that cover it: at most `kernelSize / stride` along an axis. */
export function windowGrad(frame: Frame, g: WindowGradient): Kernel {
  const [dy, taps] = frame.step.inputs as [Operand, Operand | undefined];
  const [, , outH, outW] = dy.shape as [number, number, number, number];
  const [kernelH, kernelW] = g.kernelSize;
  const place = ["c0", "c1", "bitcast<u32>(y)", "bitcast<u32>(x)"];
  const value = frame.float(dy, operandIndex(dy, place));
  const mine =
    g.op === "max"
      ? `if (${frame.whole(taps!, operandIndex(taps!, place))} == y_tap * ${kernelW}i + x_tap) { sum += ${value}; }`
      : `sum += ${value};`;
  /** Loops over the windows of one axis, the first one first; `tap` is where in the window the element lies. */
  const each = (
    name: string,
    axis: string,
    { kernel, stride, padding, size }: { kernel: number; stride: number; padding: number; size: number },
    body: string,
  ): string => {
    const most = Math.ceil(kernel / stride);
    // Windows that do not overlap need no loop.
    if (most === 1)
      return `let ${name}_at = ${axis} + ${padding}u;
let ${name} = bitcast<i32>(${name}_at / ${stride}u);
let ${name}_tap = bitcast<i32>(${name}_at) - ${name} * ${stride}i;
if (${name} < ${size}i && ${name}_tap < ${kernel}i) {
${body}
}`;
    return `let ${name}_at = ${axis} + ${padding}u;
let ${name}_last = bitcast<i32>(${name}_at / ${stride}u);
for (var ${name} = ${name}_last - ${most - 1}i; ${name} <= ${name}_last; ${name}++) {
let ${name}_tap = bitcast<i32>(${name}_at) - ${name} * ${stride}i;
if (${name} < 0i || ${name} >= ${size}i || ${name}_tap >= ${kernel}i) { continue; }
${body}
}`;
  };
  const along = (axis: 0 | 1, kernel: number, size: number) => ({
    kernel,
    stride: g.stride[axis],
    padding: g.padding[axis * 2]!,
    size,
  });
  const columns = each("x", "c3", along(1, kernelW, outW), mine);
  const core = `var sum = 0f;
${each("y", "c2", along(0, kernelH, outH), columns)}
let core0 = sum;`;
  return eachElement(frame, ["f32"], core);
}
