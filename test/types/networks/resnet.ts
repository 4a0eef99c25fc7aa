import * as nn from "../../../src/nn/index.js";

/** Two convolutions around which the input goes; the shortcut is a 1 x 1 convolution where the shape changes. */
const first = nn.residual(
  nn.sequential(
    [64, 56, 56],
    nn.conv2d(64, 64, { kernelSize: 3, padding: 1, bias: false }),
    nn.batchNorm2d(64),
    nn.relu(),
    nn.conv2d(64, 64, { kernelSize: 3, padding: 1, bias: false }),
    nn.batchNorm2d(64),
  ),
);

const second = nn.residual(
  nn.sequential(
    [64, 56, 56],
    nn.conv2d(64, 128, { kernelSize: 3, stride: 2, padding: 1, bias: false }),
    nn.batchNorm2d(128),
    nn.relu(),
    nn.conv2d(128, 128, { kernelSize: 3, padding: 1, bias: false }),
    nn.batchNorm2d(128),
  ),
  nn.sequential(
    [64, 56, 56],
    nn.conv2d(64, 128, { kernelSize: 1, stride: 2, bias: false }),
    nn.batchNorm2d(128),
  ),
);

/** The beginning and the end of ResNet-18 (He et al., 2015). */
export const resnet = nn.sequential(
  [3, 224, 224],
  nn.conv2d(3, 64, { kernelSize: 7, stride: 2, padding: 3, bias: false }),
  nn.batchNorm2d(64),
  nn.relu(),
  nn.maxPool2d({ kernelSize: 3, stride: 2, padding: 1 }),
  first,
  nn.relu(),
  second,
  nn.relu(),
  nn.avgPool2d({ kernelSize: 28 }),
  nn.flatten(),
  nn.linear(128, 10),
);
