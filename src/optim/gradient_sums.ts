import { add } from "../ops/pointwise.js";
import { addGradientRoot } from "../tensor/evaluate.js";
import type { Tensor } from "../tensor/tensor.js";
import { zeroState } from "./flat.js";

/**
 * Gradients summed over several `backward()`, each computed before the next is recorded, so that none keeps another's
 * graph: gradient accumulation. The sums lie in one flat buffer; each addition rides on what makes the gradient.
 */
export class GradientSums {
  private readonly parameters: readonly Tensor[];
  private readonly sums: readonly Tensor[];
  private readonly begun = new Set<Tensor>();

  constructor(parameters: readonly Tensor[]) {
    this.parameters = [...new Set(parameters)];
    this.sums = zeroState(this.parameters, 1).map(([sum]) => sum!);
  }

  /** Records that the parameters' gradients go to the sums, as their first terms where `isFirst`. */
  take(isFirst: boolean): void {
    if (isFirst) this.begun.clear();
    this.parameters.forEach((parameter, k) => {
      const { grad } = parameter;
      if (!grad) return;
      const sum = this.sums[k]!;
      sum.assign(this.begun.has(parameter) ? add(sum, grad) : grad);
      this.begun.add(parameter);
      parameter.grad = null;
    });
  }

  /** Gives the sums to the parameters as their gradients, together with the gradients that they hold. */
  give(): void {
    this.parameters.forEach((parameter, k) => {
      if (!this.begun.has(parameter)) return;
      const sum = this.sums[k]!;
      parameter.grad = parameter.grad ? add(sum, parameter.grad) : sum.detach();
      addGradientRoot(parameter.grad.node, parameter);
    });
  }
}
