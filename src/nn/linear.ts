import type { Shape } from "../core/shape.js";
import { linear as affine } from "../ops/matmul.js";
import { type Tensor, variable } from "../tensor/tensor.js";
import { defaultUniform } from "./init.js";
import { Module, weightAndBias } from "./module.js";

/** The layer that `linear` makes: weight [out, in] and bias [out]. */
export class Linear extends Module {
  override readonly name = "Linear";
  readonly weight: Tensor;
  readonly bias: Tensor | null;

  constructor(
    readonly inFeatures: number,
    readonly outFeatures: number,
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
      throw new RangeError(`Linear expects ${this.inFeatures} input features but receives ${given}`);
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
export function linear(inFeatures: number, outFeatures: number, options: { bias?: boolean } = {}): Linear {
  return new Linear(inFeatures, outFeatures, options);
}
