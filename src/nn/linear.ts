import { type Shape, showShape } from "../core/shape.js";
import type { IsUnknown, MayEqual, Show, Unknown } from "../core/shape_types.js";
import { linear as affine } from "../ops/matmul.js";
import { type Tensor, variable } from "../tensor/tensor.js";
import { defaultUniform } from "./init.js";
import { Module, weightAndBias } from "./module.js";
import type { ShapeRule } from "./shape_rule.js";

interface LinearShape<In extends number, Out extends number> extends ShapeRule {
  readonly output: LinearOutput<this["input"], In, Out>;
}

type LinearOutput<Input, In extends number, Out extends number> =
  IsUnknown<Input> extends true
    ? Unknown
    : Input extends readonly [...infer Lead extends Shape, infer Given extends number]
      ? MayEqual<Given, In> extends true
        ? [...Lead, Out]
        : `Linear expects ${In} input features but receives ${Given}`
      : `Linear expects ${In} input features but receives ${Show<Input>}`;

/** The layer that `linear` makes: weight [out, in] and bias [out]. */
export class Linear<In extends number = number, Out extends number = number> extends Module {
  declare readonly "~shapes": LinearShape<In, Out>;
  override readonly name = "Linear";
  readonly weight: Tensor;
  readonly bias: Tensor | null;

  constructor(
    readonly inFeatures: In,
    readonly outFeatures: Out,
    options: { bias?: boolean } = {},
  ) {
    super();
    this.weight = variable(defaultUniform([outFeatures, inFeatures], inFeatures), { requiresGrad: true });
    this.bias =
      options.bias === false
        ? null
        : variable(defaultUniform([outFeatures], inFeatures), { requiresGrad: true });
  }

  override namedParameters(): Map<string, Tensor> {
    return weightAndBias(this.weight, this.bias);
  }

  override outputShape(input: Shape): Shape {
    const given = input[input.length - 1];
    if (given !== this.inFeatures)
      throw new RangeError(
        `Linear expects ${this.inFeatures} input features but receives ${given ?? showShape(input)}`,
      );
    return [...input.slice(0, -1), this.outFeatures];
  }

  override multiplyAdds(_input: Shape): number {
    return this.inFeatures * this.outFeatures;
  }

  protected override compute(x: Tensor): Tensor {
    return affine(x, this.weight, this.bias);
  }
}

/** x times weight [outFeatures, inFeatures] transposed, plus bias. Starts as PyTorch's does. */
export function linear<In extends number, Out extends number>(
  inFeatures: In,
  outFeatures: Out,
  options: { bias?: boolean } = {},
): Linear<In, Out> {
  return new Linear(inFeatures, outFeatures, options);
}
