import type { Operand } from "../../core/plan.js";
import { literal } from "../../render/wgsl.js";
import { eachElement } from "./pointwise.js";
import { type Frame, type Kernel, operandIndex } from "./shader.js";

type Four = readonly [number, number, number, number];

/** Statements that declare the two sources of output position `at` and the weight of the second. */
function taps(name: string, at: string, from: number, to: number): string {
  const scale = literal({ type: "f32", value: from / to });
  return `let ${name}_source = max(0f, (f32(${at}) + 0.5f) * ${scale} - 0.5f);
let ${name}0 = min(${from - 1}u, u32(floor(${name}_source)));
let ${name}1 = min(${from - 1}u, ${name}0 + 1u);
let ${name}_weight = ${name}_source - f32(${name}0);`;
}

/** A thread an output: its four sources, weighted. */
export function resize(frame: Frame): Kernel {
  const [x] = frame.step.inputs as [Operand];
  const [, , height, width] = x.shape as unknown as Four;
  const [, , outH, outW] = frame.step.shape as unknown as Four;
  const read = (y: string, x_: string): string => frame.float(x, operandIndex(x, ["c0", "c1", y, x_]));
  const core = `${taps("y", "c2", height, outH)}
${taps("x", "c3", width, outW)}
let core0 = (1f - y_weight) * ((1f - x_weight) * ${read("y0", "x0")} + x_weight * ${read("y0", "x1")}) + y_weight * ((1f - x_weight) * ${read("y1", "x0")} + x_weight * ${read("y1", "x1")});`;
  return eachElement(frame, ["f32"], core);
}

/** A thread an input element, which asks the outputs that may have read it: at most `span` in a row. */
export function resizeGrad(frame: Frame): Kernel {
  const [dy] = frame.step.inputs as [Operand];
  const [, , height, width] = frame.step.shape as unknown as Four;
  const [, , outH, outW] = dy.shape as unknown as Four;
  /** Loops over outputs of one axis; `weight` is what they took of this element. */
  const axis = (name: string, at: string, from: number, to: number, body: string): string => {
    const span = Math.ceil((2 * to) / from) + 5;
    return `let ${name}_low = max(0i, (2i * bitcast<i32>(${at}) - 1i) * ${to}i / ${2 * from}i - 2i);
for (var ${name}_step = 0u; ${name}_step < ${span}u; ${name}_step++) {
let ${name}_out = bitcast<u32>(${name}_low) + ${name}_step;
if (${name}_out >= ${to}u) { break; }
${taps(name, `${name}_out`, from, to)}
let ${name}_share = select(0f, 1f - ${name}_weight, ${name}0 == ${at}) + select(0f, ${name}_weight, ${name}1 == ${at});
if (${name}0 != ${at} && ${name}1 != ${at}) { continue; }
${body}
}`;
  };
  const value = frame.float(dy, operandIndex(dy, ["c0", "c1", "y_out", "x_out"]));
  const columns = axis("x", "c3", width, outW, `sum += y_share * x_share * ${value};`);
  const core = `var sum = 0f;
${axis("y", "c2", height, outH, columns)}
let core0 = sum;`;
  return eachElement(frame, ["f32"], core);
}
