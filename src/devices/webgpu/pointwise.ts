import type { Step } from "../../core/plan.js";
import { elementCount } from "../../core/shape.js";
import { collapse, coordinates, decode, memoryOrder } from "./indices.js";
import type { Frame, Kernel, WgslType } from "./shader.js";

/** Threads of a workgroup where they do not work together: one or two wavefronts on every GPU. */
const threads = 64;

/**
 * A thread an element of the step's shape, neighbours in memory next to each other; `core` gives statements that
 * declare core0, ... from the coordinates.
 */
export function eachElement(frame: Frame, cores: readonly WgslType[], core = "", functions = ""): Kernel {
  const { shape, outputs } = frame.step;
  const at = coordinates(shape.length);
  const count = elementCount(shape);
  const order = memoryOrder(outputs[0]!.target.strides);
  return {
    functions: frame.finish(cores) + functions,
    body: `let i = group * ${threads}u + lane;
if (i >= ${count}u) { return; }
${decode("i", shape, at, order)}
${core}
finish(${[...at, ...cores.map((_, k) => `core${k}`)].join(", ")});`,
    threads,
    workgroups: Math.ceil(count / threads),
  };
}

/** The same step over as few axes as its operands allow. */
export function withFewAxes(step: Step): Step {
  const places = [...step.extras, ...step.outputs.map(({ target }) => target)];
  const order = memoryOrder(step.outputs[0]!.target.strides);
  const strides = places.map((one) => order.map((axis) => (one.kind === "scalar" ? 0 : one.strides[axis]!)));
  const few = collapse(
    order.map((axis) => step.shape[axis]!),
    strides,
  );
  const moved = <X extends Step["extras"][number]>(one: X, i: number): X =>
    one.kind === "scalar"
      ? { ...one, shape: few.shape }
      : { ...one, shape: few.shape, strides: few.strides[i]! };
  return {
    ...step,
    shape: few.shape,
    extras: step.extras.map(moved),
    outputs: step.outputs.map((output, i) => ({
      ...output,
      target: moved(output.target, step.extras.length + i),
    })),
  };
}
