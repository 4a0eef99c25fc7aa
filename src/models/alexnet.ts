import * as nn from "../nn/index.js";
import type { ImageShape } from "./image_shape.js";

/**
 * The notebook's AlexNet for Fashion-MNIST at 224: one channel in, ten classes out, one tower (after Krizhevsky,
 * Sutskever and Hinton, 2012, as in "Dive into Deep Learning").
 */
export function alexnet<const Input extends ImageShape = [1, 224, 224], Classes extends number = 10>(
  inputShape?: Input,
  classes?: Classes,
): nn.Sequential<[...Input], [Classes]>;
export function alexnet(inputShape: ImageShape = [1, 224, 224], classes = 10): nn.Sequential {
  return nn.sequential(
    inputShape,
    // A large window to catch objects; stride 4 shrinks the output; far more channels than LeNet.
    nn.conv2d(inputShape[0], 96, { kernelSize: 11, stride: 4, padding: 1 }),
    nn.relu(),
    nn.maxPool2d({ kernelSize: 3, stride: 2 }),
    // A smaller window, padded so that height and width stay, and more channels.
    nn.conv2d(96, 256, { kernelSize: 5, padding: 2 }),
    nn.relu(),
    nn.maxPool2d({ kernelSize: 3, stride: 2 }),
    // Three convolutions in a row, without pooling between.
    nn.conv2d(256, 384, { kernelSize: 3, padding: 1 }),
    nn.relu(),
    nn.conv2d(384, 384, { kernelSize: 3, padding: 1 }),
    nn.relu(),
    nn.conv2d(384, 256, { kernelSize: 3, padding: 1 }),
    nn.relu(),
    nn.maxPool2d({ kernelSize: 3, stride: 2 }),
    nn.flatten(),
    // Several times LeNet's outputs; dropout against overfitting.
    nn.linear(6400, 4096),
    nn.relu(),
    nn.dropout({ p: 0.5 }),
    nn.linear(4096, 4096),
    nn.relu(),
    nn.dropout({ p: 0.5 }),
    nn.linear(4096, classes),
  );
}
