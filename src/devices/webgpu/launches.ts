import { byteSize } from "../../core/dtype.js";
import { UserError } from "../../core/errors.js";
import { core, input } from "../../core/expression.js";
import type { Operand, Output, Step, ValueOperand } from "../../core/plan.js";
import { elementCount, type Shape, showShape } from "../../core/shape.js";
import { type Layout, rangesOf } from "./layout.js";
import { type Launch, typeOf } from "./shader.js";
import type { ConvolutionVariantName } from "./variants.js";
import { winograd } from "./winograd.js";

/** Threads that keep a GPU busy, products a thread should at least sum, and how many partial sums there may be. */
const busyThreads = 16_384;
const leastShare = 128;
const mostSplits = 256;
const mostPartials = 2 ** 23;

/**
 * A plan's step as dispatches: convolutions as `variant` says, as far as the GPU can bind what that takes; sums cut up where outputs are too few, operands brought
 * together where they are bound apart.
 */
export function launchesOf(
  step: Step,
  layout: Layout,
  maxBindings: number,
  variant: ConvolutionVariantName,
): Launch[] {
  layout.nextStep();
  const filtered = winograd(step, variant, layout);
  if (filtered?.every((launch) => rangesOf(launch.step, layout).length <= maxBindings)) return filtered;
  layout.restartStep();
  const splits = splitsOf(step);
  const launches = splits > 1 ? split(step, splits, layout) : [{ step, splits: 1 }];
  return launches.flatMap((launch) => gatherOperands(launch, layout, maxBindings));
}

/** How many share each of a step's sums: by shapes alone, so that the same plan always sums in the same order. */
function splitsOf({ kernel, shape, inputs }: Step): number {
  const outputs = elementCount(shape);
  const most = Math.min(mostSplits, Math.floor(mostPartials / Math.max(1, outputs)));
  if (kernel.kind === "reduce") {
    // A workgroup takes an output; several only where few outputs take very long.
    if (kernel.op === "argmax" || kernel.op === "logSumExp") return 1;
    const count = elementCount(inputs[0]?.shape ?? shape) / Math.max(1, outputs);
    return outputs > 32 || count < 2 ** 17 ? 1 : Math.max(1, Math.min(most, Math.ceil(count / 2 ** 14)));
  }
  if (kernel.kind !== "matmul" && kernel.kind !== "conv2dWeightGrad") return 1;
  const [first, second] = inputs as [Operand, Operand];
  const k =
    kernel.kind === "matmul"
      ? first.shape.at(-1)!
      : elementCount(second.shape) / Math.max(1, second.shape[1]!);
  const threads = Math.ceil(outputs / 16);
  if (threads >= busyThreads || k < 4 * leastShare) return 1;
  return Math.max(1, Math.min(most, Math.ceil(busyThreads / threads), Math.floor(k / leastShare)));
}

/** Partial results [splits, ...shape] into scratch memory, then their reduction with the step's outputs. */
function split(step: Step, splits: number, layout: Layout): Launch[] {
  const { kernel, pre } = step;
  const isReduce = kernel.kind === "reduce";
  const type = isReduce && pre!.type !== "f32" ? "i32" : "f32";
  const shape: Shape = [splits, ...step.shape];
  const partials = layout.scratch(type, shape);
  const first: Step = { ...step, shape, extras: [], outputs: [{ target: partials, expr: core(0, type) }] };
  const behind = <X extends Operand>(one: X): X =>
    one.kind === "scalar"
      ? { ...one, shape: [1, ...one.shape] }
      : { ...one, shape: [1, ...one.shape], strides: [0, ...one.strides] };
  const second: Step = {
    kernel: { kind: "reduce", op: isReduce ? kernel.op : "sum", axes: [0] },
    shape: [1, ...step.shape],
    inputs: [partials],
    pre: input(0, type),
    extras: step.extras.map(behind),
    outputs: step.outputs.map(({ target, expr }) => ({ target: behind(target), expr })),
  };
  return [
    { step: first, splits },
    { step: second, splits: 1 },
  ];
}

/**
 * A dispatch binds a limited number of ranges. Operands and outputs beyond it go through scratch memory, where they lie
 * next to each other. Throws a UserError where even that does not fit.
 */
function gatherOperands(launch: Launch, layout: Layout, maxBindings: number): Launch[] {
  let { step } = launch;
  const before: Step[] = [];
  const after: Step[] = [];
  const tooMany = (): boolean => rangesOf(step, layout).length > maxBindings;
  const through = (operand: Operand): Operand => {
    if (operand.kind !== "value" || !tooMany()) return operand;
    const near = layout.scratch(operand.dtype, operand.shape);
    before.push(copy(operand, near));
    return near;
  };
  // Replaced one at a time: each replacement is seen by the next count.
  for (const which of ["inputs", "extras"] as const) {
    for (let i = 0; i < step[which].length; i++)
      step = { ...step, [which]: step[which].with(i, through(step[which][i]!)) };
  }
  for (let i = 0; i < step.outputs.length && tooMany(); i++) {
    const { target, expr } = step.outputs[i]!;
    const near = layout.scratch(target.dtype, target.shape);
    after.push(copy(near, target));
    const outputs: Output[] = step.outputs.with(i, { target: near, expr });
    step = { ...step, outputs };
  }
  if (tooMany()) throw tooManyRanges(step, layout, maxBindings);
  const plain = (one: Step): Launch => ({ step: one, splits: 1 });
  return [...before.map(plain), { ...launch, step }, ...after.map(plain)];
}

/** Names the operand that takes most of the bindings. */
function tooManyRanges(step: Step, layout: Layout, maxBindings: number): UserError {
  const operands = [...step.inputs, ...step.extras, ...step.outputs.map(({ target }) => target)];
  const sizes = operands.flatMap((one) =>
    one.kind === "value" ? [{ one, parts: layout.parts(one.value).length }] : [],
  );
  const { one, parts } = sizes.reduce((most, next) => (next.parts > most.parts ? next : most));
  const { elements, dtype } = layout.values[one.value]!;
  return new UserError(
    `a ${step.kernel.kind} step needs ${rangesOf(step, layout).length} storage buffers, and this GPU binds ${maxBindings} (maxStorageBuffersPerShaderStage); its ${dtype}${showShape(one.shape)} has ${elements * byteSize(dtype)} bytes and lies in ${parts} of them, of at most ${layout.pageBytes} bytes each (maxBufferSize, maxStorageBufferBindingSize). Take a smaller batch, split it by microBatchSize (--micro-batch), or take a narrower layer or the CPU device`,
  );
}

function copy(from: ValueOperand, target: ValueOperand): Step {
  const expr = input(0, typeOf(from));
  return {
    kernel: { kind: "pointwise" },
    shape: from.shape,
    inputs: [],
    pre: null,
    extras: [from],
    outputs: [{ target, expr }],
  };
}
