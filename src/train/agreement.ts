import { type Shape, showShape } from "../core/shape.js";
import type { Checked, MayBeSame, Show, Unknown } from "../core/shape_types.js";
import type { Dataset } from "../data/dataset.js";
import type { After, Module } from "../nn/index.js";
import { within } from "../nn/module.js";

/** A data set that a network can be trained on or measured with, or the sentence that says why it cannot. */
export type Agreeing<Net extends Module, Set extends Dataset, What extends string> = Checked<
  Agreement<Net, Set, What>,
  Set
>;

type Agreement<Net extends Module, Set extends Dataset, What extends string> =
  Set extends Dataset<infer Example, infer Classes>
    ? After<Net, Example> extends infer Output
      ? Output extends string
        ? `${What}: ${Output}`
        : MayBeSame<Output, [Classes]> extends true
          ? Unknown
          : `${What} has ${Classes} classes, but the network gives ${Show<Output>}`
      : never
    : Unknown;

/** Checks that a network takes a set's examples and gives one number a class. Throws a RangeError in the compiler's words. */
export function requireAgreement(net: Module, set: Dataset, what: string): void {
  const output: Shape = within(what, () => net.outputShape(set.shape));
  const classes = set.classNames.length;
  if (output.length !== 1 || output[0] !== classes)
    throw new RangeError(`${what} has ${classes} classes, but the network gives ${showShape(output)}`);
}
