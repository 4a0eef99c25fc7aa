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

/** A thread an input element, which asks every window that covers it. */
export function windowGrad(frame: Frame, g: WindowGradient): Kernel {
  const [dy, taps] = frame.step.inputs as [Operand, Operand | undefined];
  const [, , outH, outW] = dy.shape as [number, number, number, number];
  const [kernelH, kernelW] = g.kernelSize;
  const place = ["c0", "c1", "y", "x"];
  const value = frame.float(dy, operandIndex(dy, place));
  const mine =
    g.op === "max"
      ? `if (${frame.whole(taps!, operandIndex(taps!, place))} == bitcast<i32>(ky * ${kernelW}u + kx)) { sum += ${value}; }`
      : `sum += ${value};`;
  const from = (name: string, axis: string, tap: string, padding: number, stride: number, size: number) =>
    `let ${name}_at = bitcast<i32>(${axis}) + ${padding}i - bitcast<i32>(${tap});
if (${name}_at < 0i || ${name}_at % ${stride}i != 0i || ${name}_at / ${stride}i >= ${size}i) { continue; }
let ${name} = bitcast<u32>(${name}_at / ${stride}i);`;
  const core = `var sum = 0f;
for (var ky = 0u; ky < ${kernelH}u; ky++) {
${from("y", "c2", "ky", g.padding[0], g.stride[0], outH)}
for (var kx = 0u; kx < ${kernelW}u; kx++) {
${from("x", "c3", "kx", g.padding[2], g.stride[1], outW)}
${mine}
}
}
let core0 = sum;`;
  return eachElement(frame, ["f32"], core);
}
