import { zeros } from "../ops/creation.js";
import { add } from "../ops/pointwise.js";
import { addGradientRoot, evaluateNodes } from "../tensor/evaluate.js";
import { type Tensor, variable } from "../tensor/tensor.js";
import { layOut } from "./flat.js";

/**
 * Gradients summed over several `backward()`, each computed before the next is recorded, so that none keeps another's
 * graph: gradient accumulation. The sums lie in one flat buffer; each addition rides on what makes the gradient.
 */
export class GradientSums {
  private readonly parameters: readonly Tensor[];
  private readonly sums: readonly Tensor[];
  private readonly begun = new Set<Tensor>();
  /** `before` and the sums as they lie in memory, the last parameter's first: the order in which gradients become known. */
  readonly variables: readonly Tensor[];

  /** `before`: variables without memory yet, which lie in front of the sums. */
  constructor(parameters: readonly Tensor[], before: readonly Tensor[] = []) {
    this.parameters = [...new Set(parameters)];
    this.sums = this.parameters.map(({ shape }) => variable(zeros(shape)));
    this.variables = [...before, ...[...this.sums].reverse()];
    layOut(this.variables);
    // First values now, or the first gradients would be computed apart, for want of a place.
    void evaluateNodes([]);
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
