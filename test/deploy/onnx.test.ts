import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "onnx-buf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Shape } from "../../src/core/shape.js";
import { encodeOnnx, onnxOpset } from "../../src/deploy/onnx.js";
import { exportOnnx } from "../../src/deploy/onnx_file.js";
import { openDevice } from "../../src/devices/open.js";
import { alexnet, lenet, mlp } from "../../src/models/index.js";
import * as nn from "../../src/nn/index.js";
import { manualSeed, randn } from "../../src/ops/random.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { type Tensor, tensor } from "../../src/tensor/tensor.js";
import { relativeError } from "../support/compare.js";
import { openOnnxRuntime } from "../support/onnx_runtime.js";

/** Every layer with options that ONNX orders or names differently, and a network within the network. */
function oddNetwork(): nn.Sequential {
  return nn.sequential(
    [4, 15, 13],
    // biome-ignore format: one line reads better
    nn.conv2d(4, 8, { kernelSize: [3, 5], stride: [2, 1], padding: [[2, 0], [3, 1]], dilation: [2, 1], groups: 2 }),
    nn.leakyRelu({ negativeSlope: 0.2 }),
    nn.maxPool2d({
      kernelSize: [3, 2],
      stride: [2, 1],
      padding: [
        [1, 0],
        [0, 1],
      ],
    }),
    nn.sequential(
      [8, 3, 13],
      nn.conv2d(8, 6, { kernelSize: 1, bias: false }),
      nn.tanh(),
      nn.sequential(
        [6, 3, 13],
        nn.avgPool2d({
          kernelSize: [2, 3],
          stride: 1,
          padding: [
            [1, 0],
            [0, 1],
          ],
        }),
      ),
      nn.leakyRelu(),
    ),
    nn.linear(12, 7),
    nn.relu(),
    nn.linear(7, 5, { bias: false }),
    nn.dropout({ p: 0.9 }),
    nn.flatten(),
    nn.linear(90, 11, { bias: false }),
    nn.sigmoid(),
    nn.linear(11, 3),
  );
}

/** Residual blocks with and without a shortcut, at the beginning and at the end, and layers that normalize. */
function residualNetwork(): nn.Sequential {
  const batchNorm = nn.batchNorm2d(6, { eps: 1e-3 });
  const inner = nn.batchNorm2d(6);
  for (const { runningMean, runningVar, weight, bias } of [batchNorm, inner]) {
    runningMean.set(Float32Array.from({ length: 6 }, (_, k) => 0.1 * k - 0.2));
    runningVar.set(Float32Array.from({ length: 6 }, (_, k) => 0.02 + 0.3 * k));
    weight.set(Float32Array.from({ length: 6 }, (_, k) => 1 - 0.3 * k));
    bias.set(Float32Array.from({ length: 6 }, (_, k) => 0.2 * k));
  }
  return nn.sequential(
    [3, 8, 7],
    nn.residual(nn.conv2d(3, 3, { kernelSize: 3, padding: 1 })),
    nn.localResponseNorm({ size: 3, alpha: 0.5, beta: 0.6, k: 2 }),
    nn.residual(
      nn.sequential(
        [3, 8, 7],
        nn.conv2d(3, 6, { kernelSize: 3, padding: 1, stride: 2 }),
        batchNorm,
        nn.relu(),
      ),
      nn.conv2d(3, 6, { kernelSize: 1, stride: 2, bias: false }),
    ),
    nn.residual(
      nn.sequential(
        [6, 4, 4],
        nn.conv2d(6, 6, { kernelSize: 3, padding: 1 }),
        nn.residual(inner),
        nn.dropout(),
      ),
    ),
    nn.flatten(),
    nn.residual(nn.linear(96, 96)),
  );
}

const runOnnx = openOnnxRuntime();
const work = mkdtempSync(join(tmpdir(), "flybrick-onnx-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));
beforeAll(async () => {
  useDevice(await openDevice("auto"));
  manualSeed(5);
});

async function values(x: Tensor): Promise<{ data: Float32Array; shape: Shape }> {
  return { data: (await x.data()) as Float32Array, shape: x.shape };
}

describe.skipIf(runOnnx === undefined)("ONNX Runtime computes what the network does, any batch", () => {
  test.each([
    ["LeNet", () => lenet(), [1, 5]],
    ["a network of every layer", oddNetwork, [3, 1]],
    ["residual blocks and normalization", residualNetwork, [2, 1]],
    ["vectors in and out", () => nn.sequential([6], nn.linear(6, 4), nn.tanh()), [2]],
    ["no layer that stays", () => nn.sequential([2, 3], nn.dropout()), [4]],
    ["AlexNet at 224", () => alexnet(), [1]],
  ])("%s", { timeout: 180_000 }, async (_, build, batches) => {
    const net: nn.Sequential = build();
    net.eval();
    const inputs = await Promise.all(batches.map((batch) => values(randn([batch, ...net.inputShape]))));
    const expected = await Promise.all(
      inputs.map(({ data, shape }) => values(net.forward(tensor(data, shape)))),
    );
    const found = await runOnnx!(await encodeOnnx(net), inputs);
    expect(found.map(({ shape }) => shape)).toEqual(expected.map(({ shape }) => shape));
    found.forEach(({ data }, i) => {
      expect(relativeError(data, expected[i]!.data)).toBeLessThan(1e-5);
    });
  });

  test("pixels in [0, 1] go in where the network wants them normalized", async () => {
    const net = lenet();
    const normalization = { mean: 0.3, std: 0.25 };
    const pixels = Float32Array.from({ length: 2 * 784 }, (_, i) => (i % 256) / 255);
    const shape = [2, 1, 28, 28];
    const expected = await values(
      net.forward(
        tensor(
          pixels.map((value) => (value - 0.3) / 0.25),
          shape,
        ),
      ),
    );
    const [found] = await runOnnx!(await encodeOnnx(net, { normalization }), [{ data: pixels, shape }]);
    expect(relativeError(found!.data, expected.data)).toBeLessThan(1e-5);
  });
});

test("the file names its operator set, PyTorch's parameters, the batch, the classes", async () => {
  const path = join(work, "mlp.onnx");
  await exportOnnx(mlp(), path, { classNames: ["a", "ß"] });
  const model = fromBinary(ModelProtoSchema, readFileSync(path));
  expect(model.opsetImport).toMatchObject([{ domain: "", version: BigInt(onnxOpset) }]);
  expect(model.producerName).toBe("flybrick");
  expect(model.metadataProps).toMatchObject([{ key: "classes", value: '["a","ß"]' }]);
  expect(model.graph!.initializer.map(({ name, dims }) => [name, dims])).toEqual([
    ["1.weight", [256n, 784n]],
    ["1.bias", [256n]],
    ["3.weight", [10n, 256n]],
    ["3.bias", [10n]],
  ]);
  for (const { type } of [...model.graph!.input, ...model.graph!.output]) {
    const { value } = type!.value as { value: { shape: { dim: { value: unknown }[] } } };
    expect(value.shape.dim[0]!.value).toEqual({ case: "dimParam", value: "batch" });
  }
  expect(model.graph!.node.map(({ opType }) => opType)).toEqual(["Flatten", "Gemm", "Relu", "Gemm"]);
});

test("a layer that ONNX export does not know is named with its place", async () => {
  class Swish extends nn.Module {
    override readonly name = "Swish";
    override outputShape(input: Shape): Shape {
      return input;
    }
    protected override compute(x: Tensor): Tensor {
      return x;
    }
  }
  const inner = nn.sequential([4], nn.relu(), new Swish());
  await expect(encodeOnnx(nn.sequential([4], nn.linear(4, 4), inner))).rejects.toThrow(
    /^layer 1\.1 \(Swish\) has no counterpart in ONNX export/,
  );
});

test("a local response norm that ONNX has not is named with its place", async () => {
  const net = nn.sequential([4, 3, 3], nn.relu(), nn.residual(nn.localResponseNorm({ size: 4 })));
  await expect(encodeOnnx(net)).rejects.toThrow(
    /^layer 1\.body \(LocalResponseNorm of size 4 on \[4, 3, 3\]\)/,
  );
});

test("more parameters than a file holds", async () => {
  const net = Object.assign(mlp(), { parameterCount: () => 2 ** 29 });
  await expect(encodeOnnx(net)).rejects.toThrow(
    "a network of 536,870,912 parameters does not fit into one ONNX file",
  );
});

test("a place that cannot be written", async () => {
  await expect(exportOnnx(mlp(), join(work, "no", "mlp.onnx"))).rejects.toThrow(
    /mlp\.onnx cannot be written/,
  );
});
