/** A user's own model file with dropout and a layer that draws random numbers in prediction, too. */
import * as nn from "../../src/nn/index.js";
import { add, mul } from "../../src/ops/pointwise.js";
import { rand } from "../../src/ops/random.js";
import type { Tensor } from "../../src/tensor/tensor.js";

class Noise extends nn.Module {
  override readonly name = "Noise";

  override outputShape(input: readonly number[]): readonly number[] {
    return input;
  }

  protected override compute(x: Tensor): Tensor {
    return add(x, mul(rand(x.shape), 0.1));
  }
}

export default (inputShape: [number, number, number] = [1, 28, 28]) =>
  nn.sequential(
    inputShape,
    nn.flatten(),
    nn.linear(784, 32),
    nn.relu(),
    nn.dropout({ p: 0.3 }),
    new Noise(),
    nn.linear(32, 10),
  );
