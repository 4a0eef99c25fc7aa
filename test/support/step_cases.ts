import { call, constant, core, type Expr, input } from "../../src/core/expression.js";
import type { ConvGeometry } from "../../src/core/kernel.js";
import type { Operand, Plan, Step } from "../../src/core/plan.js";
import { denseStrides, elementCount, type Shape } from "../../src/core/shape.js";
import { at, bytes, floats, ints, out, pointwise, step, type Tensor, typed, x } from "./steps.js";

/** Steps, what they are run over, and their numbers: cases that every device is held to the reference device by. */
export interface StepCase {
  readonly tensors: readonly Tensor[];
  readonly steps: readonly Step[];
  readonly scalars?: readonly number[];
  readonly types?: Plan["scalars"];
}

/** A pointwise step over dense, broadcast, strided, reversed, byte, scalar and index operands together. */
export function mixedOperands(shape: readonly [number, number, number]): StepCase {
  const [planes, rows, columns] = shape;
  const count = elementCount(shape);
  const tensors = [
    floats(count),
    floats(columns),
    floats(planes),
    floats(2 * count),
    bytes(count),
    floats(1),
    floats(count),
  ];
  const plane = rows * columns;
  const extras: Operand[] = [
    at(0, "f32", shape),
    at(1, "f32", shape, [0, 0, 1]),
    at(2, "f32", shape, [1, 0, 0]),
    at(3, "f32", shape, [2, 2 * planes, 2 * planes * rows]),
    at(0, "f32", shape, [-plane, columns, 1], plane * (planes - 1)),
    at(4, "u8", shape),
    at(5, "f32", shape, [0, 0, 0]),
    { kind: "scalar", slot: 0, type: "f32", shape },
    { kind: "iota", shape, strides: [plane, columns, 1], offset: 5 },
  ];
  let expr = x(0);
  for (let i = 1; i < 5; i++) expr = call(i % 2 ? "mul" : "add", expr, x(i));
  expr = call("add", expr, call("f32FromI32", typed(5, "i32")));
  expr = call("add", call("mul", expr, x(6)), x(7));
  expr = call("add", expr, call("f32FromI32", call("i32FromU32", input(8, "u32"))));
  const steps = [step(pointwise, shape, [], out(6, shape, undefined, expr), extras)];
  return { tensors, steps, scalars: [0.3], types: ["f32"] };
}

/** A swap, an update by a scalar, and three outputs of three types at once; all in place. */
export function inPlace(count: number): StepCase {
  const tensors = [floats(count), floats(count), bytes(count), ints(count, 9)];
  const p = at(0, "f32", [count]);
  const g = at(1, "f32", [count]);
  const positive = call("gt", x(0), x(1));
  const rate: Operand = { kind: "scalar", slot: 0, type: "f32", shape: [count] };
  const swapped = [
    { target: p, expr: x(1) },
    { target: g, expr: x(0) },
  ];
  const updated = [{ target: p, expr: call("sub", x(0), call("mul", x(1), x(2))) }];
  const wide = call("i32FromF32", call("mul", x(0), constant(300, "f32")));
  const three = [
    { target: at(2, "u8", [count]), expr: wide },
    { target: at(3, "i32", [count]), expr: positive },
    { target: g, expr: call("select", positive, x(0), constant(0, "f32")) },
  ];
  const steps = [
    step(pointwise, [count], [], swapped, [p, g]),
    step(pointwise, [count], [], updated, [p, g, rate]),
    step(pointwise, [count], [], three, [p, g]),
  ];
  return { tensors, steps, scalars: [0.1], types: ["f32"] };
}

/** A batched product whose second factor is transposed, with a bias and tanh. */
export function biasedProduct(): StepCase {
  const shape = [2, 45, 21];
  const tensors = [floats(2 * 45 * 33), floats(2 * 33 * 21), floats(21), floats(2 * 45 * 21)];
  const factors = [at(0, "f32", [2, 45, 33]), at(1, "f32", [2, 33, 21], [693, 1, 33])];
  const biased = call("tanh", call("add", core(0, "f32"), x(0)));
  const bias = at(2, "f32", shape, [0, 0, 1]);
  return {
    tensors,
    steps: [step({ kind: "matmul" }, shape, factors, out(3, shape, undefined, biased), [bias])],
  };
}

/** A convolution of `images` with a weight, and how its results are stored. */
export interface Passes {
  readonly images: Shape;
  readonly weight: Shape;
  readonly stride?: ConvGeometry["stride"];
  readonly padding?: ConvGeometry["padding"];
  readonly dilation?: ConvGeometry["dilation"];
  readonly groups?: number;
  /** Strides of images, and of what the convolution makes of them; dense and the same if left out. */
  readonly layout?: (shape: Shape) => number[];
  readonly aboveLayout?: (shape: Shape) => number[];
  /** Of the forward pass's core 0. */
  readonly expr?: Expr;
}

/** The three passes of a convolution over value 0, the images, 1, the weight, and 2, what comes from above, into 3, 4 and 5. */
export function convolutionPasses({
  images,
  weight,
  stride = [1, 1],
  padding = [0, 0, 0, 0],
  dilation = [1, 1],
  groups = 1,
  layout = denseStrides,
  aboveLayout = layout,
  expr,
}: Passes): StepCase {
  const sizeOf = (axis: 0 | 1): number => {
    const reach = dilation[axis] * (weight[2 + axis]! - 1) + 1;
    const padded = images[2 + axis]! + padding[2 * axis]! + padding[2 * axis + 1]!;
    return Math.floor((padded - reach) / stride[axis]) + 1;
  };
  const above = [images[0]!, weight[0]!, sizeOf(0), sizeOf(1)];
  const geometry = { stride, padding, dilation, groups };
  const map = at(0, "f32", images, layout(images));
  const kernel = at(1, "f32", weight);
  const upstream = at(2, "f32", above, aboveLayout(above));
  const tensors = [images, weight, above, above, images, weight].map((shape) => floats(elementCount(shape)));
  const steps = [
    step({ kind: "conv2d", ...geometry }, above, [map, kernel], out(3, above, aboveLayout(above), expr)),
    step(
      { kind: "conv2dInputGrad", ...geometry },
      images,
      [upstream, kernel],
      out(4, images, layout(images)),
    ),
    step({ kind: "conv2dWeightGrad", ...geometry }, weight, [map, upstream], out(5, weight)),
  ];
  return { tensors, steps };
}
