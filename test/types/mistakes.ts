/**
 * Mistakes, each under the sentence that the compiler shows and the run time throws; a comment marks the argument it
 * is about. This file does not type-check, which is its point: `tsconfig.json` leaves it out.
 */
import { Dataset } from "../../src/data/dataset.js";
import { models, nn } from "../../src/index.js";
import { conv2d } from "../../src/ops/conv.js";
import { linear, matmul } from "../../src/ops/matmul.js";
import {
  concat,
  expand,
  flatten,
  permute,
  reshape,
  stack,
  transpose,
  unsqueeze,
} from "../../src/ops/movement.js";
import { add } from "../../src/ops/pointwise.js";
import { maxPool2d } from "../../src/ops/pool.js";
import { rand } from "../../src/ops/random.js";
import { argmax, sum } from "../../src/ops/reduce.js";
import { sgd } from "../../src/optim/index.js";
import { evaluate } from "../../src/train/evaluate.js";
import { train } from "../../src/train/train.js";

/** Three images of 28 x 28 in ten classes. */
function images(): Dataset<[1, 28, 28], 10> {
  const source = {
    images: new Uint8Array(3 * 28 * 28),
    labels: new Uint8Array(3),
    count: 3,
    height: 28,
    width: 28,
    channels: 1 as const,
  };
  return new Dataset(source, [..."0123456789"]);
}

const optimizer = sgd({ learningRate: 0.1 });

export const mistakes: Record<string, () => unknown> = {
  // Layers of a network.
  "layer 2: Linear expects 9216 input features but receives 6400": () =>
    nn.sequential(
      [256, 5, 5],
      nn.flatten(),
      nn.relu(),
      /* here */ nn.linear(9216, 4096),
      nn.relu(),
      nn.linear(4096, 10),
    ),
  "layer 1: Linear expects 100 input features but receives 120": () =>
    nn.sequential([400], nn.linear(400, 120), /* here */ nn.linear(100, 84)),
  "layer 1: Linear expects 400 input features but receives 5": () =>
    nn.sequential([6, 14, 14], nn.conv2d(6, 16, { kernelSize: 10 }), /* here */ nn.linear(400, 120)),
  "layer 0: Linear expects 4 input features but receives []": () =>
    nn.sequential([], /* here */ nn.linear(4, 2)),
  "layer 1: Conv2d expects 6 input channels but receives 16": () =>
    nn.sequential(
      [1, 28, 28],
      nn.conv2d(1, 16, { kernelSize: 5 }),
      /* here */ nn.conv2d(6, 16, { kernelSize: 5 }),
    ),
  "layer 1: Conv2d expects [1, height, width] but receives [784]": () =>
    nn.sequential([1, 28, 28], nn.flatten(), /* here */ nn.conv2d(1, 6, { kernelSize: 5 })),
  "layer 0: Conv2d: a kernel that spans 11 does not fit into 8 elements with padding 1 and 1": () =>
    nn.sequential([3, 8, 8], /* here */ nn.conv2d(3, 4, { kernelSize: 11, stride: 4, padding: 1 })),
  "layer 0: Conv2d: a kernel that spans 9 does not fit into 8 elements with padding 0 and 0": () =>
    nn.sequential([3, 8, 8], /* here */ nn.conv2d(3, 4, { kernelSize: 3, dilation: 4 })),
  "layer 0: Conv2d: a kernel that spans 7 does not fit into 4 elements with padding 1 and 0": () =>
    nn.sequential(
      [3, 8, 4],
      /* here */ nn.conv2d(3, 4, {
        kernelSize: [3, 7],
        padding: [
          [0, 0],
          [1, 0],
        ],
      }),
    ),
  "Conv2d: 3 input and 8 output channels must both divide by groups 2": () =>
    nn.sequential([3, 8, 8], nn.conv2d(3, 8, /* here */ { kernelSize: 3, groups: 2 })),
  "Conv2d stride is 0; give a whole number of at least 1, or two": () =>
    nn.conv2d(3, 8, /* here */ { kernelSize: 3, stride: 0 }),
  "Conv2d kernelSize is [3,1.5]; give a whole number of at least 1, or two": () =>
    nn.conv2d(3, 8, /* here */ { kernelSize: [3, 1.5] }),
  "Conv2d padding is -1; give a whole number of at least 0, or two": () =>
    nn.conv2d(3, 8, /* here */ { kernelSize: 3, padding: -1 }),
  "MaxPool2d stride is [2,0]; give a whole number of at least 1, or two": () =>
    nn.maxPool2d(/* here */ { kernelSize: 2, stride: [2, 0] }),
  "layer 1: MaxPool2d: a kernel that spans 3 does not fit into 2 elements with padding 0 and 0": () =>
    nn.sequential(
      [1, 4, 4],
      nn.avgPool2d({ kernelSize: 2 }),
      /* here */ nn.maxPool2d({ kernelSize: 3, stride: 2 }),
    ),
  "layer 0: AvgPool2d expects [channels, height, width] but receives [28, 28]": () =>
    nn.sequential([28, 28], /* here */ nn.avgPool2d({ kernelSize: 2 })),
  "layer 1: BatchNorm2d expects 64 channels but receives 32": () =>
    nn.sequential([3, 9, 9], nn.conv2d(3, 32, { kernelSize: 3 }), /* here */ nn.batchNorm2d(64)),
  "layer 1: BatchNorm2d expects [27, height, width] but receives [27]": () =>
    nn.sequential([3, 3, 3], nn.flatten(), /* here */ nn.batchNorm2d(27)),
  "layer 1: Sequential expects [6, 14, 14] but receives [6, 12, 12]": () =>
    nn.sequential(
      [1, 28, 28],
      nn.conv2d(1, 6, { kernelSize: 5, stride: 2 }),
      /* here */ nn.sequential([6, 14, 14], nn.flatten(), nn.linear(1176, 10)),
    ),
  "layer 0: Linear expects 1177 input features but receives 1176": () =>
    nn.sequential([6, 14, 14], nn.flatten(), nn.sequential([1176], /* here */ nn.linear(1177, 10))),
  "layer 0: Residual: the body gives [8, 4, 4] and the shortcut [4, 4, 4]; they must be equal": () =>
    nn.sequential([4, 4, 4], /* here */ nn.residual(nn.conv2d(4, 8, { kernelSize: 3, padding: 1 }))),
  "layer 0: Residual: the body gives [8, 2, 2] and the shortcut [8, 4, 4]; they must be equal": () =>
    nn.sequential(
      [4, 4, 4],
      /* here */ nn.residual(
        nn.conv2d(4, 8, { kernelSize: 3, padding: 1, stride: 2 }),
        nn.conv2d(4, 8, { kernelSize: 1 }),
      ),
    ),
  "layer 0: body: Conv2d expects 3 input channels but receives 4": () =>
    nn.sequential([4, 4, 4], /* here */ nn.residual(nn.conv2d(3, 4, { kernelSize: 1 }))),
  "layer 0: shortcut: Conv2d expects 3 input channels but receives 4": () =>
    nn.sequential([4, 4, 4], /* here */ nn.residual(nn.relu(), nn.conv2d(3, 4, { kernelSize: 1 }))),

  // A network and its data.
  "trainSet: Sequential expects [1, 32, 32] but receives [1, 28, 28]": () =>
    train(nn.sequential([1, 32, 32], nn.flatten(), nn.linear(1024, 10)), {
      /* here */ trainSet: images(),
      testSet: images() as Dataset,
      optimizer,
    }),
  "trainSet has 10 classes, but the network gives [100]": () =>
    train(nn.sequential([1, 28, 28], nn.flatten(), nn.linear(784, 100)), {
      /* here */ trainSet: images(),
      testSet: images() as Dataset,
      optimizer,
    }),
  "set has 10 classes, but the network gives [6, 28, 28]": () =>
    evaluate(nn.sequential([1, 28, 28], nn.conv2d(1, 6, { kernelSize: 5, padding: 2 })), /* here */ images()),
  "set: Sequential expects [3, 28, 28] but receives [1, 28, 28]": () =>
    evaluate(models.lenet([3, 28, 28]), /* here */ images()),

  // Operations on tensors.
  "matmul: [2, 3] has 3 columns, [4, 5] has 4 rows; they must be equal": () =>
    matmul(rand([2, 3]), /* here */ rand([4, 5])),
  "matmul: [1, 3] has 3 columns, [4, 5] has 4 rows; they must be equal": () =>
    rand([3]).matmul(/* here */ rand([4, 5])),
  "linear: expects 3 input features but receives 4, in [2, 4]": () =>
    linear(rand([2, 4]), /* here */ rand([5, 3])),
  "add: shapes [2, 3] and [2] do not broadcast; sizes must be equal or 1, counted from the last axis": () =>
    add(rand([2, 3]), /* here */ rand([2])),
  "mul: shapes [4, 1, 3] and [2, 4] do not broadcast; sizes must be equal or 1, counted from the last axis":
    () => rand([4, 1, 3]).mul(/* here */ rand([2, 4])),
  "reshape: [2, 3] has 6 elements and cannot become [4, 2]": () => reshape(rand([2, 3]), /* here */ [4, 2]),
  "reshape: [2, 5] has 10 elements and cannot become [4, -1]": () => rand([2, 5]).reshape(/* here */ [4, -1]),
  "reshape: [4] has 4 elements and cannot become [-1, -1]": () => reshape(rand([4]), /* here */ [-1, -1]),
  "flatten: axis 3 is not an axis of a tensor with 2 dimensions": () => flatten(rand([2, 3]), /* here */ 3),
  "transpose: axis -4 is not an axis of a tensor with 3 dimensions": () =>
    transpose(rand([2, 3, 4]), /* here */ -4),
  "permute: [0, 1, 1] does not name each of 3 axes once": () =>
    permute(rand([2, 3, 4]), /* here */ [0, 1, 1]),
  "expand: [2, 3] does not expand to [4, 3]; only axes of size 1 repeat": () =>
    expand(rand([2, 3]), /* here */ [4, 3]),
  "unsqueeze: axis 4 is not an axis of a tensor with 3 dimensions": () =>
    unsqueeze(rand([2, 3]), /* here */ 4),
  "sum: axis 2 is not an axis of a tensor with 2 dimensions": () => sum(rand([2, 3]), /* here */ { axes: 2 }),
  "argmax: axis 5 is not an axis of a tensor with 2 dimensions": () => argmax(rand([2, 3]), /* here */ 5),
  "concat: shapes [2, 3] and [2, 4] differ outside axis 0": () =>
    concat(/* here */ [rand([2, 3]), rand([2, 4])]),
  "concat: shapes [3, 1] and [4, 1] differ outside axis 1": () => stack(/* here */ [rand([3]), rand([4])], 1),
  "conv2d: expects 3 input channels but receives 1, in [2, 1, 8, 8]": () =>
    conv2d(rand([2, 1, 8, 8]), /* here */ rand([4, 3, 3, 3])),
  "maxPool2d: a kernel that spans 9 does not fit into 8 elements with padding 0 and 0": () =>
    maxPool2d(rand([2, 1, 8, 8]), /* here */ { kernelSize: 9 }),
};
