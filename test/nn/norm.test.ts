import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import * as nn from "../../src/nn/index.js";
import { backward } from "../../src/ops/gradients.js";
import { mul } from "../../src/ops/pointwise.js";
import { manualSeed, rand } from "../../src/ops/random.js";
import { sum } from "../../src/ops/reduce.js";
import { mseLoss } from "../../src/ops/softmax.js";
import { sgd } from "../../src/optim/index.js";
import { useDevice } from "../../src/tensor/evaluate.js";
import { type Tensor, tensor, variable } from "../../src/tensor/tensor.js";
import { loadWeights, saveWeights } from "../../src/train/weights_file.js";
import { relativeError } from "../support/compare.js";
import { testDevices } from "../support/test_devices.js";
import { gradientTolerance, tolerances } from "../support/tolerances.js";

interface Stored {
  shape: number[];
  values: number[];
}

const fixture: {
  steps: number;
  rate: number;
  x: Stored;
  target: Stored;
  state: Record<string, Stored>;
  outputs: number[][];
  gradients: Record<string, number[]>;
  after: Record<string, Stored>;
  evaluated: number[];
  localResponse: { options: object; x: Stored; weight: Stored; y: number[]; gradient: number[] }[];
} = JSON.parse(readFileSync(new URL("../fixtures/norm.json", import.meta.url), "utf8"));

const load = ({ values, shape }: Stored): Tensor => tensor(Float32Array.from(values), shape);

/** The block of `make_norm.py`. */
function block() {
  return nn.residual(
    nn.sequential(
      [3, 6, 5],
      nn.conv2d(3, 4, { kernelSize: 3, stride: 2, padding: 1, bias: false }),
      nn.batchNorm2d(4),
      nn.relu(),
      nn.conv2d(4, 4, { kernelSize: 3, padding: 1, bias: false }),
      nn.batchNorm2d(4, { eps: 1e-3, momentum: 0.3 }),
    ),
    nn.sequential([3, 6, 5], nn.conv2d(3, 4, { kernelSize: 1, stride: 2, bias: false }), nn.batchNorm2d(4)),
  );
}

for (const [name, device] of await testDevices()) {
  describe(`a residual block with batch normalization on ${name}`, () => {
    test("has PyTorch's names, outputs, gradients and running statistics", async () => {
      useDevice(device);
      const net = block();
      expect([...net.namedState().keys()].sort()).toEqual(Object.keys(fixture.state).sort());
      net.loadParameters(new Map(Object.entries(fixture.state).map(([key, one]) => [key, load(one)])));
      const optimizer = sgd(net.parameters(), { learningRate: fixture.rate });
      const [x, target] = [load(fixture.x), load(fixture.target)];
      for (let step = 0; step < fixture.steps; step++) {
        const y = net.forward(x);
        backward(mseLoss(y, target));
        if (step === 0) {
          for (const [key, parameter] of net.namedParameters()) {
            const gradient = await parameter.grad!.data();
            expect(relativeError(gradient, fixture.gradients[key]!), key).toBeLessThan(gradientTolerance);
          }
        }
        await optimizer.step();
        expect(relativeError(await y.data(), fixture.outputs[step]!)).toBeLessThan(gradientTolerance);
      }
      for (const [key, one] of net.namedState())
        expect(relativeError(await one.data(), fixture.after[key]!.values), key).toBeLessThan(
          gradientTolerance,
        );
      const evaluated = await net.eval().forward(x).data();
      expect(relativeError(evaluated, fixture.evaluated)).toBeLessThan(gradientTolerance);
    });

    test("keeps its running statistics in a file", async () => {
      useDevice(device);
      manualSeed(7);
      const x = rand([5, 3, 6, 5]);
      const [net, other] = [block(), block()];
      await net.forward(x).data();
      const directory = await mkdtemp(join(tmpdir(), "flybrick-norm-"));
      try {
        await saveWeights(net, join(directory, "model.safetensors"));
        await loadWeights(other, join(directory, "model.safetensors"));
      } finally {
        await rm(directory, { recursive: true });
      }
      const expected = await net.eval().forward(x).data();
      expect(relativeError(await other.eval().forward(x).data(), expected)).toBeLessThan(
        tolerances.pointwise,
      );
    });

    test("local response normalization is PyTorch's, as are its gradients", async () => {
      useDevice(device);
      for (const { options, x, weight, y, gradient } of fixture.localResponse) {
        const input = variable(load(x), { requiresGrad: true });
        const output = nn.localResponseNorm(options).forward(input);
        backward(sum(mul(output, load(weight))));
        expect(relativeError(await output.data(), y)).toBeLessThan(tolerances.pointwise);
        expect(relativeError(await input.grad!.data(), gradient)).toBeLessThan(gradientTolerance);
      }
      expect(fixture.localResponse.length).toBe(3);
    });

    test("changes nothing in evaluation", async () => {
      useDevice(device);
      const norm = nn.batchNorm2d(3).eval();
      await norm.forward(rand([2, 3, 4, 4])).data();
      expect([...(await norm.runningMean.data())]).toEqual([0, 0, 0]);
      expect([...(await norm.runningVar.data())]).toEqual([1, 1, 1]);
    });
  });
}

test("what does not fit is refused in words", () => {
  const norm = nn.batchNorm2d(3);
  expect(() => norm.forward(rand([1, 3, 1, 1]))).toThrow(/one value a channel has no variance/);
  expect(() => norm.forward(rand([2, 4, 5, 5]))).toThrow("BatchNorm2d expects 3 channels but receives 4");
  expect(() => nn.batchNorm2d(3, { momentum: 2 })).toThrow("momentum is 2; give a share from 0 to 1");
  expect(() => nn.localResponseNorm({ size: 0 })).toThrow("size is 0; give a whole number of at least 1");
  const alone = nn.residual(nn.conv2d(3, 3, { kernelSize: 3 }));
  expect(() => alone.forward(rand([1, 3, 5, 5]))).toThrow(
    "Residual: the body gives [1, 3, 3, 3] and the shortcut [1, 3, 5, 5]; they must be equal",
  );
  expect(alone.train().body.training).toBe(true);
  expect(alone.eval().body.training).toBe(false);
});
