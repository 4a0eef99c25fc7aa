import * as nn from "../../src/nn/index.js";

/** The notebook's AlexNet with an eighth of the channels and 64 hidden units. */
export function smallAlexnet(): nn.Sequential {
  return nn.sequential(
    [1, 224, 224],
    nn.conv2d(1, 12, { kernelSize: 11, stride: 4, padding: 1 }),
    nn.relu(),
    nn.maxPool2d({ kernelSize: 3, stride: 2 }),
    nn.conv2d(12, 32, { kernelSize: 5, padding: 2 }),
    nn.relu(),
    nn.maxPool2d({ kernelSize: 3, stride: 2 }),
    nn.conv2d(32, 48, { kernelSize: 3, padding: 1 }),
    nn.relu(),
    nn.conv2d(48, 48, { kernelSize: 3, padding: 1 }),
    nn.relu(),
    nn.conv2d(48, 32, { kernelSize: 3, padding: 1 }),
    nn.relu(),
    nn.maxPool2d({ kernelSize: 3, stride: 2 }),
    nn.flatten(),
    nn.linear(800, 64),
    nn.relu(),
    nn.dropout({ p: 0.5 }),
    nn.linear(64, 64),
    nn.relu(),
    nn.dropout({ p: 0.5 }),
    nn.linear(64, 10),
  );
}
