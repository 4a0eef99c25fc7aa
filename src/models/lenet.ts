import * as nn from "../nn/index.js";
import type { ImageShape } from "./image_shape.js";

/** LeNet-5 as in "Dive into Deep Learning" (after LeCun et al., 1998): sigmoid, average pooling. */
export function lenet<const Input extends ImageShape = [1, 28, 28], Classes extends number = 10>(
  inputShape?: Input,
  classes?: Classes,
): nn.Sequential<[...Input], [Classes]>;
export function lenet(inputShape: ImageShape = [1, 28, 28], classes = 10): nn.Sequential {
  return nn.sequential(
    inputShape,
    nn.conv2d(inputShape[0], 6, { kernelSize: 5, padding: 2 }),
    nn.sigmoid(),
    nn.avgPool2d({ kernelSize: 2, stride: 2 }),
    nn.conv2d(6, 16, { kernelSize: 5 }),
    nn.sigmoid(),
    nn.avgPool2d({ kernelSize: 2, stride: 2 }),
    nn.flatten(),
    nn.linear(400, 120),
    nn.sigmoid(),
    nn.linear(120, 84),
    nn.sigmoid(),
    nn.linear(84, classes),
  );
}
