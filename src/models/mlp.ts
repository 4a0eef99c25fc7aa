import { elementCount } from "../core/shape.js";
import * as nn from "../nn/index.js";

/** One hidden layer of 256 with ReLU. */
export function mlp(
  inputShape: readonly [number, number, number] = [1, 28, 28],
  classes = 10,
): nn.Sequential {
  return nn.sequential(
    inputShape,
    nn.flatten(),
    nn.linear(elementCount(inputShape), 256),
    nn.relu(),
    nn.linear(256, classes),
  );
}

/** Softmax regression: one linear layer; the softmax is in the loss. */
export function softmaxRegression(
  inputShape: readonly [number, number, number] = [1, 28, 28],
  classes = 10,
): nn.Sequential {
  return nn.sequential(inputShape, nn.flatten(), nn.linear(elementCount(inputShape), classes));
}
