import type { Kernel as PlanKernel } from "../../core/kernel.js";
import { elementCount } from "../../core/shape.js";
import { renderWgsl } from "../../render/wgsl.js";
import { collapse, coordinates, decode, indexText, memoryOrder } from "./indices.js";
import { eachElement } from "./pointwise.js";
import type { Frame, Kernel, WgslType } from "./shader.js";
import type { ReductionVariantName } from "./variants.js";

/** Threads that share one output, where there are few outputs and much to reduce. */
const sharing = 256;
/** Up to this many elements a thread reduces alone; so it does where outputs are enough to fill a GPU. */
const alone = 256;
const manyOutputs = 16_384;

type Reduce = Extract<PlanKernel, { kind: "reduce" }>;

/** The type of a reduction's elements; of its result too, but for a place. */
export function elementType(frame: Frame): "f32" | "i32" {
  return frame.step.pre!.type === "f32" ? "f32" : "i32";
}

/**
 * One thread an output, or one workgroup where outputs are few, unless the variant leaves that out. With `splits` > 1 the step's first axis is the split: each reduces its share
 * of the elements.
 */
export function reduce(frame: Frame, kernel: Reduce, splits: number, variant: ReductionVariantName): Kernel {
  const { step } = frame;
  const at = coordinates(step.shape.length);
  const own = splits > 1 ? at.slice(1) : at;
  const from = step.inputs[0]?.shape ?? (splits > 1 ? step.shape.slice(1) : step.shape);
  const order = memoryOrder(step.inputs.find((one) => one.kind === "value")?.strides ?? from.map(() => 0));
  const axes = order.filter((axis) => kernel.axes.includes(axis));
  const reduced = collapse(
    axes.map((axis) => from[axis]!),
    step.inputs.map((one) => axes.map((axis) => (one.kind === "scalar" ? 0 : one.strides[axis]!))),
  );
  const count = elementCount(reduced.shape);
  const type = elementType(frame);
  const inner = coordinates(reduced.shape.length, "r");

  // The place of the first element, and from there to the others.
  const bases: string[] = [];
  const loads: string[] = [];
  step.inputs.forEach((operand, i) => {
    if (operand.kind === "scalar") {
      loads.push(`let in${i} = ${frame.element(operand, "0u")};`);
      return;
    }
    const kept = operand.strides.map((stride, axis) => (kernel.axes.includes(axis) ? 0 : stride));
    bases.push(`let base${i} = ${indexText(own, { ...operand, strides: kept })};`);
    const away = indexText(inner, { shape: reduced.shape, strides: reduced.strides[i]!, offset: 0 });
    loads.push(`let in${i} = ${frame.element(operand, `base${i} + ${away}`)};`);
  });
  const block = renderWgsl([step.pre!]);
  const result = block.results[0]!;
  const value =
    step.pre!.type === "bool"
      ? `select(0i, 1i, ${result})`
      : step.pre!.type === "u32"
        ? `bitcast<i32>(${result})`
        : result;
  const element = `${decode("r", reduced.shape, inner)}
${loads.join("\n")}
${block.statements.join("\n")}
let value = ${value};`;

  const share = Math.ceil(count / splits);
  const range =
    splits > 1
      ? `let first = c0 * ${share}u;\nlet last = min(first + ${share}u, ${count}u);`
      : `let first = 0u;\nlet last = ${count}u;`;
  const { state, take } = operations(kernel.op, type);
  const isLogSumExp = kernel.op === "logSumExp";
  const findsPlace = isLogSumExp || kernel.op === "argmax";
  const cores: WgslType[] = isLogSumExp ? ["f32", "i32"] : [findsPlace ? "i32" : type];
  const place = "bitcast<i32>(found_at);";
  const done = isLogSumExp
    ? `let core0 = best + log_of(total);\nlet core1 = ${place}`
    : findsPlace
      ? `let core0 = ${place}`
      : count === 0 && kernel.op !== "sum" && type === "f32"
        ? "let core0 = nan();"
        : "let core0 = best;";
  const loop = (start: string, stride: string, each: string): string =>
    `for (var r = ${start}; r < last; r += ${stride}) {\n${element}\n${each}\n}`;
  const find = (start: string, stride: string): string => `${range}\n${state}\n${loop(start, stride, take)}`;
  // The largest is known by then, so nothing overflows.
  const sumExp = (start: string, stride: string): string =>
    isLogSumExp ? `var total = 0f;\n${loop(start, stride, "total += exp_of(value - best);")}` : "";

  const outputs = elementCount(step.shape);
  if (variant === "threads" || share <= alone || outputs >= manyOutputs)
    return eachElement(frame, cores, [...bases, find("first", "1u"), sumExp("first", "1u"), done].join("\n"));

  const subgroups = variant === "subgroups";
  return {
    functions: `${frame.finish(cores)}var<workgroup> shared_best: array<${type}, ${sharing}>;
${findsPlace ? `var<workgroup> shared_at: array<u32, ${sharing}>;\n` : ""}`,
    body: `${decode("group", step.shape, at)}
${bases.join("\n")}
${find("first + lane", `${sharing}u`)}
${subgroups ? throughRegisters(take, findsPlace) : throughMemory(take, findsPlace)}
${isLogSumExp ? together(sumExp("first + lane", `${sharing}u`), subgroups) : ""}
if (lane == 0u) {
${done}
finish(${[...at, ...cores.map((_, k) => `core${k}`)].join(", ")});
}`,
    threads: sharing,
    workgroups: outputs,
    subgroups,
  };
}

/** The threads' states become one, in the first thread's `best` and `found_at`: by halves through workgroup memory. */
function throughMemory(take: string, findsPlace: boolean): string {
  return `shared_best[lane] = best;
${findsPlace ? "shared_at[lane] = found_at;" : ""}
for (var half = ${sharing / 2}u; half > 0u; half /= 2u) {
workgroupBarrier();
if (lane < half) {
let value = shared_best[lane + half];
${findsPlace ? "let r = shared_at[lane + half];" : ""}
${take}
shared_best[lane] = best;
${findsPlace ? "shared_at[lane] = found_at;" : ""}
}
}`;
}

/** The same within each subgroup, and then of all subgroups by the first thread. */
function throughRegisters(take: string, findsPlace: boolean): string {
  return `for (var half = subgroup_lanes / 2u; half > 0u; half /= 2u) {
let value = subgroupShuffleXor(best, half);
${findsPlace ? "let r = subgroupShuffleXor(found_at, half);" : ""}
${take}
}
if (subgroup_lane == 0u) {
shared_best[subgroup] = best;
${findsPlace ? "shared_at[subgroup] = found_at;" : ""}
}
workgroupBarrier();
if (lane == 0u) {
best = shared_best[0];
${findsPlace ? "found_at = shared_at[0];" : ""}
for (var other = 1u; other < min(subgroups, ${sharing}u); other++) {
let value = shared_best[other];
${findsPlace ? "let r = shared_at[other];" : ""}
${take}
}
shared_best[0] = best;
}`;
}

/** Every thread learns the largest element, sums its share of the exponentials, and the first one adds them up. */
function together(sumExp: string, subgroups: boolean): string {
  const add = "best += value;";
  return `workgroupBarrier();
let largest = shared_best[0];
workgroupBarrier();
best = largest;
${sumExp}
best = total;
${subgroups ? throughRegisters(add, false) : throughMemory(add, false)}
total = best;
best = largest;`;
}

/** The running state of a reduction, and how it takes an element or another thread's state. */
function operations(op: Reduce["op"], type: "f32" | "i32"): { state: string; take: string } {
  const lowest = type === "f32" ? "-infinity()" : "bitcast<i32>(0x80000000u)";
  const highest = type === "f32" ? "infinity()" : "0x7fffffffi";
  switch (op) {
    case "sum":
      return { state: `var best = ${type}(0);`, take: "best += value;" };
    case "max":
    case "min": {
      const take = `best = ${op}_${type}(best, value);`;
      return { state: `var best = ${op === "max" ? lowest : highest};`, take };
    }
    case "argmax":
    case "logSumExp": {
      // The first of equals; a NaN is larger than all else.
      const nan = type === "f32" ? "(is_nan(value) && (!is_nan(best) || r < found_at)) || " : "";
      const guard = type === "f32" ? "!is_nan(best) && !is_nan(value) && " : "";
      const take = `if (${nan}(${guard}(value > best || (value == best && r < found_at)))) { best = value; found_at = r; }`;
      return { state: `var best = ${lowest};\nvar found_at = 0xffffffffu;`, take };
    }
    default:
      return op satisfies never;
  }
}
