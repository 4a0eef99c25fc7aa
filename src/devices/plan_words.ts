import { call, type Expr, input } from "../core/expression.js";
import type { Kernel, KernelKind } from "../core/kernel.js";
import type { Operand, Plan, Step, Value, ValueOperand } from "../core/plan.js";
import { denseStrides, elementCount } from "../core/shape.js";
import { renderTiles, type TileProgram, tableHash } from "../render/cpu.js";
import { type ConvolutionAlgorithm, convolutionAlgorithms } from "./device.js";

/** Raised with every change of the words' order; the addon refuses another. */
const magic = 0x464c5942;
const version = 2;
/** More axes than this have no place in the addon's structures. */
const maxRank = 8;

const kinds: readonly KernelKind[] = [
  "pointwise",
  "reduce",
  "matmul",
  "conv2d",
  "conv2dInputGrad",
  "conv2dWeightGrad",
  "window",
  "windowGrad",
  "gather",
  "scatterAdd",
  "resize",
  "resizeGrad",
];
const dtypes = ["f32", "i32", "u8"] as const;
const scalarTypes = ["f32", "i32", "u32"] as const;
const operandKinds = ["value", "scalar", "iota"] as const;
const reduceOps = ["sum", "max", "min", "argmax", "logSumExp"] as const;
const windowOps = ["max", "sum"] as const;

/** A plan as one flat program of 32-bit words, in the order that native/program.cc reads them. */
export function encode(plan: Plan, convolution?: ConvolutionAlgorithm): Int32Array {
  return encodePieces(plan, [], convolution)[0]!;
}

/** A plan as several programs over one arena: piece k ends before step `cuts[k]`, the last one with the plan. */
export function encodePieces(
  plan: Plan,
  cuts: readonly number[],
  convolution: ConvolutionAlgorithm = "auto",
): Int32Array[] {
  const { steps, values, arenaBytes, starts } = withCopies(plan);
  const words: number[] = [magic, version, tableHash, plan.bindings, ...wide(arenaBytes), values.length];
  for (const value of values)
    words.push(dtypes.indexOf(value.dtype), value.buffer, ...wide(value.byteOffset));
  words.push(plan.scalars.length, ...plan.scalars.map((type) => scalarTypes.indexOf(type)));
  const ends = [...cuts.map((cut) => starts[cut] ?? steps.length), steps.length];
  return ends.map((end, k) => encodeSteps(words, steps.slice(ends[k - 1] ?? 0, end), convolution));
}

function encodeSteps(
  head: readonly number[],
  steps: readonly Step[],
  convolution: ConvolutionAlgorithm,
): Int32Array {
  const words = [...head, steps.length];
  for (const step of steps) encodeStep(step, words, convolutionAlgorithms.indexOf(convolution));
  for (const word of words) {
    if (!Number.isInteger(word) || word < -2147483648 || word > 4294967295) {
      throw new RangeError(`a plan holds the number ${word}, more than the CPU device's 32 bits`);
    }
  }
  return Int32Array.from(words, (word) => word | 0);
}

function encodeStep(step: Step, words: number[], convolution: number): void {
  const { kernel, shape } = step;
  words.push(kinds.indexOf(kernel.kind), ...ranked(shape));
  const attributes = attributesOf(kernel, convolution);
  words.push(...attributes, ...new Array<number>(12 - attributes.length).fill(0));
  encodeOperands(step.inputs, words);
  if (step.pre) {
    const pre =
      step.pre.type === "f32" ? step.pre : step.pre.type === "u32" ? call("i32FromU32", step.pre) : step.pre;
    words.push(1, pre.type === "f32" ? 0 : 1, ...ranked(step.inputs[0]?.shape ?? shape));
    encodeTiles(renderTiles([pre], step.inputs.length), words);
  } else words.push(0);
  encodeOperands(step.extras, words);
  encodeOperands(
    step.outputs.map((output) => output.target),
    words,
  );
  encodeTiles(
    renderTiles(
      step.outputs.map((output) => output.expr),
      step.extras.length,
    ),
    words,
  );
}

function encodeOperands(operands: readonly Operand[], words: number[]): void {
  words.push(operands.length);
  for (const operand of operands) {
    const kind = operandKinds.indexOf(operand.kind);
    if (operand.kind === "value") words.push(kind, operand.value, dtypes.indexOf(operand.dtype));
    else words.push(kind, operand.kind === "scalar" ? operand.slot : 0, 1);
    words.push(...wide(operand.kind === "scalar" ? 0 : operand.offset), ...ranked(operand.shape));
    words.push(...(operand.kind === "scalar" ? operand.shape.map(() => 0) : operand.strides));
  }
}

function encodeTiles(tiles: TileProgram, words: number[]): void {
  words.push(tiles.registers, tiles.operands, tiles.constants.length, ...tiles.constants);
  words.push(tiles.instructions.length, ...tiles.instructions.flat());
  words.push(tiles.results.length, ...tiles.results);
}

function attributesOf(kernel: Kernel, convolution: number): number[] {
  switch (kernel.kind) {
    case "reduce":
      return [reduceOps.indexOf(kernel.op), kernel.axes.reduce((mask, axis) => mask | (1 << axis), 0)];
    case "conv2d":
    case "conv2dInputGrad":
    case "conv2dWeightGrad":
      return [...kernel.stride, ...kernel.padding, ...kernel.dilation, kernel.groups, convolution];
    case "window":
    case "windowGrad":
      return [windowOps.indexOf(kernel.op), ...kernel.kernelSize, ...kernel.stride, ...kernel.padding];
    case "pointwise":
    case "matmul":
    case "gather":
    case "scatterAdd":
    case "resize":
    case "resizeGrad":
      return [];
    default:
      return kernel satisfies never;
  }
}

function ranked(shape: readonly number[]): number[] {
  if (shape.length > maxRank) {
    throw new RangeError(`the CPU device takes at most ${maxRank} axes, got the shape [${shape.join(", ")}]`);
  }
  return [shape.length, ...shape];
}

function wide(value: number): [low: number, high: number] {
  return [value >>> 0, Math.floor(value / 2 ** 32)];
}

/**
 * Kernels with a core read floats (or indices) from memory: an operand that is a number, an index or of another
 * type is first written out, behind the plan's own arena.
 */
function withCopies(plan: Plan): { steps: Step[]; values: Value[]; arenaBytes: number; starts: number[] } {
  const values = [...plan.values];
  const steps: Step[] = [];
  /** Of the plan's steps, their copies included. */
  const starts: number[] = [];
  let arenaBytes = plan.arenaBytes;
  const copy = (from: Operand, asFloat: boolean): ValueOperand => {
    const elements = elementCount(from.shape);
    const dtype = asFloat ? "f32" : "i32";
    const byteOffset = Math.ceil(arenaBytes / 256) * 256;
    arenaBytes = byteOffset + elements * 4;
    values.push({ dtype, buffer: 0, byteOffset, elements });
    const { shape } = from;
    const target: ValueOperand = {
      kind: "value",
      value: values.length - 1,
      dtype,
      shape,
      strides: denseStrides(shape),
      offset: 0,
    };
    const expr = converted(from, asFloat);
    if (elements > 0) {
      steps.push({
        kernel: { kind: "pointwise" },
        shape,
        inputs: [],
        pre: null,
        extras: [from],
        outputs: [{ target, expr }],
      });
    }
    return target;
  };
  for (const step of plan.steps) {
    const { kind } = step.kernel;
    starts.push(steps.length);
    if (kind === "pointwise" || kind === "reduce") {
      steps.push(step);
      continue;
    }
    const inputs = step.inputs.map((operand, i) => {
      const floats = kind !== "gather" && i === (kind === "windowGrad" || kind === "scatterAdd" ? 0 : i);
      if (operand.kind === "value" && (operand.dtype === "f32" || !floats)) return operand;
      const wanted =
        floats || (kind === "gather" && i === 0 && operand.kind === "scalar" && operand.type === "f32");
      return copy(operand, wanted);
    });
    steps.push({ ...step, inputs });
  }
  return { steps, values, arenaBytes, starts };
}

function converted(from: Operand, asFloat: boolean): Expr {
  const type =
    from.kind === "iota" ? "u32" : from.kind === "scalar" ? from.type : from.dtype === "f32" ? "f32" : "i32";
  const read = input(0, type);
  if (type === "f32") return asFloat ? read : call("i32FromF32", read);
  const whole = type === "u32" ? call("i32FromU32", read) : read;
  return asFloat ? call("f32FromI32", whole) : whole;
}
