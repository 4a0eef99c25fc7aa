import type { Operand } from "../../core/plan.js";
import { elementCount } from "../../core/shape.js";
import { coordinates, decode } from "./indices.js";
import { eachElement } from "./pointwise.js";
import { type Frame, type Kernel, operandIndex, typeOf } from "./shader.js";

/** A thread an element; an index out of range reads 0. */
export function gather(frame: Frame): Kernel {
  const { step } = frame;
  const [table, index] = step.inputs as [Operand, Operand];
  const rank = index.shape.length;
  const at = coordinates(step.shape.length);
  const type = typeOf(table) === "f32" ? "f32" : "i32";
  const place = operandIndex(table, ["bitcast<u32>(row)", ...at.slice(rank)]);
  const core = `let row = ${frame.whole(index, operandIndex(index, at.slice(0, rank)))};
var core0 = ${type}(0);
if (row >= 0i && row < ${table.shape[0]!}i) { core0 = ${type === "f32" ? frame.float(table, place) : frame.whole(table, place)}; }`;
  return eachElement(frame, [type], core);
}

/** A thread an element of the table, which takes what belongs to it in index order: no atomics, always the same sum. */
export function scatterAdd(frame: Frame): Kernel {
  const { step } = frame;
  const [dy, index] = step.inputs as [Operand, Operand];
  const rank = index.shape.length;
  const at = coordinates(step.shape.length);
  const names = coordinates(rank, "j");
  const core = `var core0 = 0f;
for (var j = 0u; j < ${elementCount(index.shape)}u; j++) {
${decode("j", index.shape, names)}
if (${frame.whole(index, operandIndex(index, names))} == bitcast<i32>(c0)) {
core0 += ${frame.float(dy, operandIndex(dy, [...names, ...at.slice(1)]))};
}
}`;
  return eachElement(frame, ["f32"], core);
}
