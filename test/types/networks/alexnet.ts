import * as nn from "../../../src/nn/index.js";

/** The notebook's. */
export const alexnet = nn.sequential(
  [1, 224, 224],
  nn.conv2d(1, 96, { kernelSize: 11, stride: 4, padding: 1 }),
  nn.relu(),
  nn.maxPool2d({ kernelSize: 3, stride: 2 }),
  nn.conv2d(96, 256, { kernelSize: 5, padding: 2 }),
  nn.relu(),
  nn.maxPool2d({ kernelSize: 3, stride: 2 }),
  nn.conv2d(256, 384, { kernelSize: 3, padding: 1 }),
  nn.relu(),
  nn.conv2d(384, 384, { kernelSize: 3, padding: 1 }),
  nn.relu(),
  nn.conv2d(384, 256, { kernelSize: 3, padding: 1 }),
  nn.relu(),
  nn.maxPool2d({ kernelSize: 3, stride: 2 }),
  nn.flatten(),
  nn.linear(6400, 4096),
  nn.relu(),
  nn.dropout({ p: 0.5 }),
  nn.linear(4096, 4096),
  nn.relu(),
  nn.dropout({ p: 0.5 }),
  nn.linear(4096, 10),
);
