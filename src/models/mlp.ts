import { elementCount } from "../core/shape.js";
import * as nn from "../nn/index.js";
import type { ImageShape } from "./image_shape.js";

/** One hidden layer of 256 with ReLU. */
export function mlp<const Input extends ImageShape = [1, 28, 28], Classes extends number = 10>(
  inputShape?: Input,
  classes?: Classes,
): nn.Sequential<[...Input], [Classes]>;
export function mlp(inputShape: ImageShape = [1, 28, 28], classes = 10): nn.Sequential {
  return nn.sequential(
    inputShape,
    nn.flatten(),
    nn.linear(elementCount(inputShape), 256),
    nn.relu(),
    nn.linear(256, classes),
  );
}

/** Softmax regression: one linear layer; the softmax is in the loss. */
export function softmaxRegression<const Input extends ImageShape = [1, 28, 28], Classes extends number = 10>(
  inputShape?: Input,
  classes?: Classes,
): nn.Sequential<[...Input], [Classes]>;
export function softmaxRegression(inputShape: ImageShape = [1, 28, 28], classes = 10): nn.Sequential {
  return nn.sequential(inputShape, nn.flatten(), nn.linear(elementCount(inputShape), classes));
}
