import { call, constant, type Expr } from "../core/expression.js";
import { normalizeAxis, type Shape, showShape } from "../core/shape.js";
import type { Checked, ShapeOf } from "../core/shape_types.js";
import { Tensor } from "../tensor/tensor.js";
import { arange } from "./creation.js";
import { unsqueeze } from "./movement.js";
import { add, cast, div, exp, log, mul, pointwise, square, sub } from "./pointwise.js";
import { logSumExpNode, max, mean, type Reduced, type ReduceOptions, sum } from "./reduce.js";

/** x less its largest element along the axes, which no gradient needs to know. */
function shifted(x: Tensor, axes: readonly number[]): { z: Tensor; top: Tensor } {
  const top = max(x, { axes, keepDims: true }).detach();
  return { z: sub(x, top), top };
}

/** exp(x) over its sum along an axis. */
export function softmax<S extends Shape>(x: Tensor<S>, axis = -1): Tensor<S, "f32"> {
  const axes = [normalizeAxis(axis, x.shape.length, "softmax")];
  const e = exp(shifted(x, axes).z);
  return div(e, sum(e, { axes, keepDims: true }));
}

/** log(softmax(x)) along an axis, without overflow. */
export function logSoftmax<S extends Shape>(x: Tensor<S>, axis = -1): Tensor<S, "f32"> {
  const axes = [normalizeAxis(axis, x.shape.length, "logSoftmax")];
  const { z } = shifted(x, axes);
  return sub(z, log(sum(exp(z), { axes, keepDims: true })));
}

/** log(sum(exp(x))) over axes, without overflow. */
export function logSumExp<S extends Shape, const Options extends ReduceOptions = Record<never, never>>(
  x: Tensor<S>,
  options?: Checked<Reduced<S, Options, "max">, Options>,
): Tensor<ShapeOf<Reduced<S, Options, "max">>, "f32">;
export function logSumExp(x: Tensor, options: ReduceOptions = {}): Tensor {
  const axes = options.axes === undefined ? x.shape.map((_, axis) => axis) : [options.axes].flat();
  const { z, top } = shifted(x, axes);
  const kept = add(log(sum(exp(z), { axes, keepDims: true })), top);
  return options.keepDims ? kept : sum(kept, { axes });
}

/**
 * Softmax cross-entropy of logits [n, classes] with integer labels [n]: the mean of -log softmax(logits)[label],
 * in nats. With `labelSmoothing` s the target gives s / classes to every class and 1 - s more to the label (Szegedy et
 * al., 2016). Throws a RangeError where shapes do not fit, there are no classes or s is not in [0, 1], a TypeError on f32
 * labels.
 */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  { labelSmoothing = 0 }: { labelSmoothing?: number } = {},
): Tensor<[], "f32"> {
  const [n, classes] = logits.shape as [number, number];
  if (logits.shape.length !== 2 || labels.shape.length !== 1 || labels.shape[0] !== n) {
    throw new RangeError(
      `crossEntropy: needs logits [n, classes] and labels [n], got ${showShape(logits.shape)} and ${showShape(labels.shape)}`,
    );
  }
  if (classes === 0) throw new RangeError("crossEntropy: logits of no classes; give at least one");
  if (labels.dtype === "f32")
    throw new TypeError("crossEntropy: labels must be i32 or u8 class numbers, got f32");
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
    throw new RangeError(`crossEntropy: labelSmoothing is ${labelSmoothing}; give a share from 0 to 1`);
  const share = labelSmoothing / classes!;
  const weigh = (value: Expr, weight: number): Expr =>
    weight === 1 ? value : weight === 0 ? constant(0, "f32") : call("mul", value, constant(weight, "f32"));
  const scores = cast(logits, "f32");
  const losses = pointwise(
    "crossEntropy",
    [scores, new Tensor(logSumExpNode(scores.node, 1)), unsqueeze(labels, 1), arange(classes)],
    (x, total, label, index) => {
      const loss = call("sub", total, x);
      return call(
        "select",
        call("eq", label, index),
        weigh(loss, 1 - labelSmoothing + share),
        weigh(loss, share),
      );
    },
    true,
  );
  return mul(sum(losses), 1 / n);
}

/** Mean of (a - b) squared. */
export function mseLoss(a: Tensor, b: Tensor): Tensor<[], "f32"> {
  return mean(square(sub(a, b)));
}
