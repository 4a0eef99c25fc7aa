import * as nn from "../../../src/nn/index.js";

/** LeNet-5 as in "Dive into Deep Learning". */
export const lenet = nn.sequential(
  [1, 28, 28],
  nn.conv2d(1, 6, { kernelSize: 5, padding: 2 }),
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
  nn.linear(84, 10),
);
