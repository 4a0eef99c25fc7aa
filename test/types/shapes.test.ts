import { describe, expect, expectTypeOf, test } from "vitest";
import type { Add, Divide, Multiply, Subtract } from "../../src/core/arithmetic.js";
import type { Shape } from "../../src/core/shape.js";
import type { Known } from "../../src/core/shape_types.js";
import { openReference } from "../../src/devices/reference/reference.js";
import { type data, models, nn, type Tensor } from "../../src/index.js";
import { gather, oneHot } from "../../src/ops/gather.js";
import { matmul } from "../../src/ops/matmul.js";
import {
  concat,
  expand,
  flatten,
  pad,
  permute,
  reshape,
  slice,
  stack,
  unsqueeze,
} from "../../src/ops/movement.js";
import { add, cast, greater, mul, relu } from "../../src/ops/pointwise.js";
import { rand } from "../../src/ops/random.js";
import { argmax, mean, sum } from "../../src/ops/reduce.js";
import { crossEntropy, softmax } from "../../src/ops/softmax.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { tensor } from "../../src/tensor/tensor.js";
import { diagnosticsOf, here, hoverText, programOf } from "./compiler.js";
import { alexnet } from "./networks/alexnet.js";
import { lenet } from "./networks/lenet.js";
import { resnet } from "./networks/resnet.js";
import { vgg16 } from "./networks/vgg16.js";

useDevice(openReference());

/** The shape that the compiler gives a tensor is the one it has. */
function shapeOf<S extends Shape>(x: Tensor<S>, expected: Readonly<Known<S>>): void {
  expect(x.shape).toEqual(expected);
}

describe("networks", () => {
  test("AlexNet, LeNet, VGG-16 and a residual net have exact types, and the run time agrees", () => {
    expectTypeOf(alexnet).toEqualTypeOf<nn.Sequential<[1, 224, 224], [10]>>();
    expectTypeOf(lenet).toEqualTypeOf<nn.Sequential<[1, 28, 28], [10]>>();
    expectTypeOf(vgg16).toEqualTypeOf<nn.Sequential<[3, 224, 224], [1000]>>();
    expectTypeOf(resnet).toEqualTypeOf<nn.Sequential<[3, 224, 224], [10]>>();
    expectTypeOf(alexnet.outputShape()).toEqualTypeOf<readonly [10]>();
    expectTypeOf(vgg16.inputShape).toEqualTypeOf<readonly [3, 224, 224]>();
    expect(alexnet.outputShape()).toEqual([10]);
    expect(vgg16.outputShape()).toEqual([1000]);
    expect(resnet.outputShape()).toEqual([10]);
  });

  test("the shape table is exact in batch and in the last layer", () => {
    const rows = lenet.layers(32);
    const last = rows[rows.length - 1]!;
    expectTypeOf(last.outputShape[0]).toEqualTypeOf<32>();
    expectTypeOf(rows).toExtend<readonly [...nn.LayerRow[], nn.LayerRow<readonly [32, 10]>]>();
    expect(last.outputShape).toEqual([32, 10]);
    expectTypeOf(lenet.layers()).toExtend<readonly [...nn.LayerRow[], nn.LayerRow<readonly [1, 10]>]>();
  });

  test("a batch goes through with its number unknown", () => {
    const y = lenet.forward(rand([2, 1, 28, 28]));
    expectTypeOf(y).toEqualTypeOf<Tensor<[number, 10], "f32">>();
    expect(y.shape).toEqual([2, 10]);
  });

  test("windows: stride, padding, dilation, groups, rows and columns apart", () => {
    const net = nn.sequential(
      [4, 33, 20],
      nn.conv2d(4, 8, { kernelSize: [3, 5], stride: [2, 1], padding: [1, 2], groups: 4 }),
      nn.conv2d(8, 6, {
        kernelSize: 3,
        dilation: [2, 3],
        padding: [
          [0, 1],
          [2, 3],
        ],
      }),
      nn.avgPool2d({ kernelSize: [2, 3], stride: 2, padding: [1, 0] }),
    );
    expectTypeOf(net).toEqualTypeOf<nn.Sequential<[4, 33, 20], [6, 8, 9]>>();
    expect(net.outputShape()).toEqual([6, 8, 9]);
  });

  test("sizes of random convolutions are those of the run time", { timeout: 300_000 }, () => {
    const path = here("random_windows.ts");
    let state = 7;
    const draw = (from: number, to: number): number => {
      state = (state * 48271) % 2147483647;
      return from + (state % (to - from + 1));
    };
    const lines = Array.from({ length: 60 }, (_, i) => {
      const [size, kernelSize, stride, padding, dilation] = [
        draw(30, 1200),
        draw(1, 9),
        draw(1, 17),
        draw(0, 4),
        draw(1, 3),
      ];
      const options = { kernelSize, stride, padding, dilation };
      const net = nn.sequential([1, size, size], nn.conv2d(1, 3, options), nn.flatten());
      const [expected] = net.outputShape();
      return `export const net${i}: nn.Sequential<[1, ${size}, ${size}], [${expected}]> = nn.sequential([1, ${size}, ${size}], nn.conv2d(1, 3, ${JSON.stringify(options)}), nn.flatten());`;
    });
    // One wrong line, to know that a wrong size is seen.
    const wrong = "export const wrong: nn.Sequential<[4], [3]> = nn.sequential([4], nn.linear(4, 2));";
    const text = ['import * as nn from "../../src/nn/index.js";', ...lines, wrong].join("\n");
    expect(diagnosticsOf(path, text).map(({ start }) => start)).toEqual([text.indexOf("wrong")]);
  });

  test("what is not known degrades, and mistakes elsewhere are still found", () => {
    const width: number = 28;
    const open = nn.sequential([1, 28, width], nn.conv2d(1, 6, { kernelSize: 5 }));
    expectTypeOf(open).toEqualTypeOf<nn.Sequential<[1, 28, number], [6, 24, number]>>();
    const layers: nn.Module[] = [nn.flatten(), nn.linear(784, 10)];
    const spread = nn.sequential([1, 28, 28], ...layers);
    expectTypeOf(spread.outputShape()).toEqualTypeOf<Readonly<Shape>>();
    const shape: number[] = [1, 28, 28];
    expectTypeOf(nn.sequential(shape, nn.flatten()).outputShape()).toEqualTypeOf<readonly [number]>();

    class Twice extends nn.Module {
      override readonly name = "Twice";
      override outputShape(input: Shape): Shape {
        return input;
      }
      protected override compute(x: Tensor): Tensor {
        return mul(x, 2);
      }
    }
    const own = nn.sequential([1, 28, 28], new Twice(), nn.flatten(), nn.linear(784, 10));
    expectTypeOf(own).toEqualTypeOf<nn.Sequential<[1, 28, 28], [10]>>();
    expect(own.outputShape()).toEqual([10]);
    const wrong = () =>
      nn.sequential(
        [1, 28, 28],
        new Twice(),
        nn.conv2d(1, 6, { kernelSize: 5 }),
        // @ts-expect-error six channels, whatever Twice does
        nn.conv2d(7, 8, { kernelSize: 5 }),
      );
    expect(wrong).toThrow("layer 2: Conv2d expects 7 input channels but receives 6");
  });

  test("a layer of one's own can say what it does to shapes", () => {
    interface Halves extends nn.ShapeRule {
      readonly output: this["input"] extends readonly [infer N extends number]
        ? [Divide<N, 2>[0]]
        : "Half expects a vector";
    }
    class Half extends nn.Module {
      declare readonly "~shapes": Halves;
      override readonly name = "Half";
      override outputShape([n]: Shape): Shape {
        return [Math.floor(n! / 2)];
      }
      protected override compute(x: Tensor): Tensor {
        return slice(x, [0, 0], [x.shape[0]!, Math.floor(x.shape[1]! / 2)]);
      }
    }
    const net = nn.sequential([9], new Half(), nn.linear(4, 2));
    expectTypeOf(net).toEqualTypeOf<nn.Sequential<[9], [2]>>();
    expect(net.forward(rand([3, 9])).shape).toEqual([3, 2]);
  });

  test("models and data carry theirs", () => {
    expectTypeOf(models.alexnet()).toEqualTypeOf<nn.Sequential<[1, 224, 224], [10]>>();
    expectTypeOf(models.lenet([3, 28, 28], 100)).toEqualTypeOf<nn.Sequential<[3, 28, 28], [100]>>();
    type Loaded = Awaited<ReturnType<typeof data.fashionMnist<224>>>;
    expectTypeOf<Loaded["trainSet"]>().toEqualTypeOf<data.Dataset<[1, 224, 224], 10>>();
  });
});

describe("tensors", () => {
  const [a, b] = [rand([2, 3]), rand([3, 4])];
  const unknown: Tensor = rand([2, 3]);

  test("products, broadcasting, reductions", () => {
    shapeOf(matmul(a, b), [2, 4]);
    shapeOf(matmul(rand([5, 1, 2, 3]), rand([7, 3, 4])), [5, 7, 2, 4]);
    shapeOf(matmul(rand([3]), b), [4]);
    shapeOf(matmul(a, rand([3])), [2]);
    shapeOf(matmul(rand([3]), rand([3])), []);
    shapeOf(add(rand([4, 1, 3]), rand([2, 1])), [4, 2, 3]);
    shapeOf(add(2, a), [2, 3]);
    shapeOf(sum(a), []);
    shapeOf(sum(a, { axes: 0 }), [3]);
    shapeOf(sum(a, { axes: -1, keepDims: true }), [2, 1]);
    shapeOf(mean(rand([2, 3, 4]), { axes: [0, -1] }), [3]);
    shapeOf(argmax(a), [2]);
    shapeOf(argmax(a, 0, { keepDims: true }), [1, 3]);
    shapeOf(softmax(a), [2, 3]);
    shapeOf(crossEntropy(a, tensor(Int32Array.of(0, 1))), []);
  });

  test("movement", () => {
    shapeOf(reshape(a, [3, 2]), [3, 2]);
    shapeOf(reshape(rand([4, 6]), [2, -1, 3]), [2, 4, 3]);
    shapeOf(rand([2, 3, 4]).transpose(), [2, 4, 3]);
    shapeOf(rand([2, 3, 4]).transpose(0, -1), [4, 3, 2]);
    shapeOf(permute(rand([2, 3, 4]), [2, 0, -2]), [4, 2, 3]);
    shapeOf(flatten(rand([2, 3, 4]), 1), [2, 12]);
    shapeOf(expand(rand([1, 3]), [5, 2, -1]), [5, 2, 3]);
    shapeOf(unsqueeze(a, -1), [2, 3, 1]);
    shapeOf(concat([a, rand([5, 3])]), [7, 3]);
    shapeOf(concat([rand([2, 1]), a, a], -1), [2, 7]);
    shapeOf(stack([a, a, a], 1), [2, 3, 3]);
    shapeOf(
      pad(a, [
        [1, 1],
        [0, 2],
      ]),
      [4, 5],
    );
    shapeOf(slice(rand([10, 20, 5]), [2, -5], [8, 99], [4]), [2, 5, 5]);
    shapeOf(gather(rand([10, 4]), tensor(Int32Array.of(1, 2, 3, 4, 5, 6), [2, 3])), [2, 3, 4]);
    shapeOf(oneHot(tensor(Int32Array.of(1, 2), [2]), 10), [2, 10]);
    shapeOf(rand([2, 3, 9, 9]).conv2d(rand([6, 3, 3, 3]), null, { stride: 2 }), [2, 6, 4, 4]);
    shapeOf(rand([2, 3, 9, 9]).maxPool2d({ kernelSize: 3, stride: 2 }), [2, 3, 4, 4]);
    shapeOf(rand([2, 3, 9, 9]).resize(24), [2, 3, 24, 24]);
  });

  test("element types", () => {
    expectTypeOf(greater(a, 0)).toEqualTypeOf<Tensor<[2, 3], "i32">>();
    expectTypeOf(cast(greater(a, 0), "f32")).toEqualTypeOf<Tensor<[2, 3], "f32">>();
    expectTypeOf(add(tensor(Int32Array.of(1)), a).dtype).toEqualTypeOf<"f32">();
    expectTypeOf(a.data).returns.toEqualTypeOf<Promise<Float32Array>>();
  });

  test("plain shapes work everywhere, in both directions", () => {
    const any: number[] = [2, 3];
    let x: Tensor = rand(any);
    for (const layer of nn.sequential([3], nn.linear(3, 5), nn.relu())) x = layer.forward(x);
    expectTypeOf(x.shape).toEqualTypeOf<Readonly<Shape>>();
    expect(x.shape).toEqual([2, 5]);
    let known = rand([2, 3]);
    known = relu(unknown);
    known = add(unknown, a);
    expect(known.shape).toEqual([2, 3]);
    expect(reshape(rand(any), any.toReversed()).shape).toEqual([3, 2]);
    expect(matmul(unknown, b).shape).toEqual([2, 4]);
    expect(sum(a, { axes: any.slice(1).map(() => 0) }).shape).toEqual([3]);
    const twice = (y: Tensor): Tensor => mul(y, 2);
    expect(twice(a).shape).toEqual([2, 3]);
  });
});

test("arithmetic on literal types", () => {
  expectTypeOf<[Add<999, 1>, Add<0, 0>, Add<123456, 7890>]>().toEqualTypeOf<[1000, 0, 131346]>();
  expectTypeOf<[Subtract<1000, 1>, Subtract<5, 5>, Subtract<5, 60>]>().toEqualTypeOf<[999, 0, never]>();
  expectTypeOf<[Multiply<512, 49>, Multiply<0, 7>, Multiply<999, 999>]>().toEqualTypeOf<[25088, 0, 998001]>();
  expectTypeOf<[Divide<215, 4>, Divide<3, 4>, Divide<1000, 10>]>().toEqualTypeOf<
    [[53, 3], [0, 3], [100, 0]]
  >();
  expectTypeOf<[Add<number, 1>, Multiply<-3, 2>, Divide<7, 0>]>().toEqualTypeOf<
    [number, number, [number, number]]
  >();
});

// The compiler reads all sources: half a minute on a busy machine.
describe("the compiler", { timeout: 300_000 }, () => {
  test("finds no mistake in these tests", () => {
    expect(diagnosticsOf(here("shapes.test.ts"))).toEqual([]);
  });

  test("shows a short type in an editor", () => {
    expect(hoverText(here("networks/alexnet.ts"), "alexnet =")).toBe(
      "const alexnet: nn.Sequential<[1, 224, 224], [10]>",
    );
  });

  // Four widths, as networks have them; the 200th layer is at the end of a long tuple.
  const widths = Array.from({ length: 98 }, (_, i) => 64 * 2 ** Math.floor(i / 25));
  const convolutions = widths.map(
    (width, i) => `nn.conv2d(${widths[i - 1] ?? 3}, ${width}, { kernelSize: 3, padding: 1 }), nn.relu(),`,
  );
  const deep = `import * as nn from "../../src/nn/index.js";
export const net: nn.Sequential<[3, 128, 128], [10]> = nn.sequential([3, 128, 128],
  ${convolutions.join("\n  ")}
  nn.dropout(), nn.maxPool2d({ kernelSize: 2 }), nn.flatten(), nn.linear(${512 * 64 * 64}, 10));
`;

  test.each([
    ["AlexNet", here("networks/alexnet.ts"), undefined],
    ["VGG-16", here("networks/vgg16.ts"), undefined],
    ["200 layers", here("deep.ts"), deep],
  ])("checks %s within 150,000 instantiations", (_, path, text) => {
    const { program, file } = programOf(path, text);
    expect(program.getSemanticDiagnostics(file)).toEqual([]);
    expect(program.getInstantiationCount()).toBeLessThan(150_000);
  });
});
