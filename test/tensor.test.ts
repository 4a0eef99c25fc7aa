import { beforeEach, describe, expect, test, vi } from "vitest";
import { openReference } from "../src/devices/reference/reference.js";
import * as nn from "../src/nn/index.js";
import { backward, gradients } from "../src/ops/gradients.js";
import { linear, matmul } from "../src/ops/matmul.js";
import { concat, permute, reshape, slice } from "../src/ops/movement.js";
import { add, mul, pow, sub } from "../src/ops/pointwise.js";
import { manualSeed, rand } from "../src/ops/random.js";
import { mean, sum } from "../src/ops/reduce.js";
import { crossEntropy } from "../src/ops/softmax.js";
import { sgd } from "../src/optim/index.js";
import { useDevice } from "../src/tensor/evaluate.js";
import { evaluate, type Tensor, tensor, variable } from "../src/tensor/tensor.js";

beforeEach(() => {
  useDevice(openReference());
  manualSeed(1);
});

describe("assignment", () => {
  test("is seen at once by what is recorded after, not by what was recorded before", async () => {
    const v = variable(tensor([1, 2]));
    await v.data();
    const before = mul(v, 10);
    v.assign(add(v, 1));
    const after = mul(v, 10);
    await evaluate(before, after);
    expect([...(await before.data())]).toEqual([10, 20]);
    expect([...(await after.data())]).toEqual([20, 30]);
  });

  test("a value recorded before and asked for after names both lines", async () => {
    const v = variable(tensor([1, 2]));
    await v.data();
    const before = mul(v, 10);
    v.assign(add(v, 1));
    await v.data();
    await expect(before.data()).rejects.toThrow(
      /recorded at .*tensor\.test\.ts:\d+.* was assigned since, at .*tensor\.test\.ts:\d+/s,
    );
  });

  test("variables may read each other's old values", async () => {
    const a = variable(tensor([1, 2]));
    const b = variable(tensor([3, 4]));
    await evaluate(a, b);
    const [oldA, oldB] = [mul(a, 1), mul(b, 1)];
    a.assign(oldB);
    b.assign(oldA);
    expect([...(await a.data())]).toEqual([3, 4]);
    expect([...(await b.data())]).toEqual([1, 2]);
  });

  test("a variable may become its own transpose", async () => {
    const v = variable(tensor([1, 2, 3, 4], [2, 2]));
    await v.data();
    v.assign(permute(v, [1, 0]));
    expect([...(await v.data())]).toEqual([1, 3, 2, 4]);
  });

  test("an update in parts reads the old value everywhere", async () => {
    const v = variable(tensor([1, 2, 3]));
    await v.data();
    v.assign(concat([sum(v, { keepDims: true }), slice(mul(v, 0), [0], [2])]));
    expect([...(await v.data())]).toEqual([6, 0, 0]);
  });

  test("another shape, or a computed value, is refused in words", async () => {
    const v = variable(tensor([1, 2]));
    expect(() => v.assign(tensor([1, 2, 3]))).toThrow("assign: the variable is f32[2], the value f32[3]");
    const computed = add(v, 1);
    expect(() => computed.assign(tensor([1, 2]))).toThrow(/computed value, not a variable/);
  });
});

describe("gradients", () => {
  test("a loss read before backward() gives the same gradients, and a warning", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const gradient = async (readFirst: boolean): Promise<number[]> => {
      manualSeed(5);
      const w = variable(rand([4]), { requiresGrad: true });
      const loss = mean(mul(w, mul(w, rand([4]))));
      if (readFirst) await loss.item();
      backward(loss);
      return [...(await w.grad!.data())];
    };
    expect(await gradient(true)).toEqual(await gradient(false));
    expect(warn).toHaveBeenCalledTimes(1);
    warn.mockRestore();
  });

  test("two calls add up, a step uses them up", async () => {
    const w = variable(tensor([1, 2]), { requiresGrad: true });
    const optimizer = sgd([w], { learningRate: 1 });
    backward(sum(mul(w, 3)));
    backward(sum(mul(w, 4)));
    expect([...(await w.grad!.data())]).toEqual([7, 7]);
    await optimizer.step();
    expect(w.grad).toBeNull();
    expect([...(await w.data())]).toEqual([-6, -5]);
  });

  test("a second backward() over a graph that is gone says what to do", async () => {
    const w = variable(tensor([1, 2]), { requiresGrad: true });
    const trunk = mul(w, w);
    const [first, second] = [sum(trunk), mean(trunk)];
    backward(first);
    await evaluate(trunk, first);
    expect(() => backward(second)).toThrow(/add the losses and call backward\(\) once/);
  });

  test("x to the power 0 has gradient 0 at 0, and a shared weight moves once", async () => {
    const x = variable(tensor([0, 2]), { requiresGrad: true });
    backward(sum(pow(x, 0)));
    expect([...(await x.grad!.data())]).toEqual([0, 0]);
    x.grad = null;
    const optimizer = sgd([x, x], { learningRate: 1 });
    backward(sum(x));
    await optimizer.step();
    expect([...(await x.data())]).toEqual([-1, 1]);
  });

  test("of nothing that wants one, or of several elements, is refused in words", () => {
    expect(() => gradients(sum(tensor([1, 2])), [tensor([1])])).toThrow(/does not require a gradient/);
    expect(() => backward(sum(tensor([1, 2])))).toThrow(/no tensor that requires a gradient/);
    const w = variable(tensor([1, 2]), { requiresGrad: true });
    expect(() => backward(mul(w, 2))).toThrow(/needs a loss of one element, this has shape \[2\]/);
  });
});

describe("evaluation", () => {
  test("a module's output can be read after the step", async () => {
    const net = nn.sequential([3], nn.linear(3, 2));
    const optimizer = sgd(net.parameters(), { learningRate: 0.1 });
    const logits = net.forward(tensor([1, 2, 3, 4, 5, 6], [2, 3]));
    const loss = crossEntropy(logits, tensor(Int32Array.from([0, 1])));
    backward(loss);
    await optimizer.step();
    expect((await logits.data()).length).toBe(4);
    expect(net.parameters().every((one) => one.grad === null)).toBe(true);
  });

  test("a loop that only ever adds is stopped with its line", async () => {
    let total = tensor([0]);
    for (let i = 0; i < 25_000; i++) total = add(total, 1);
    await expect(total.data()).rejects.toThrow(/operations are waiting to be computed/);
  });

  test("another number compiles nothing", async () => {
    const device = openReference();
    const prepare = vi.spyOn(device, "prepare");
    useDevice(device);
    const x = tensor([1, 2, 3]);
    for (const rate of [0.1, 0.2, 0.3]) expect((await sub(x, rate).data())[0]).toBeCloseTo(1 - rate, 6);
    expect(prepare).toHaveBeenCalledTimes(1);
  });

  test("shapes that do not fit are refused where they are written", () => {
    // Wide shapes, or the compiler would say so first (test/types).
    const [a, b, c]: Tensor[] = [rand([2, 3]), rand([4, 5]), rand([4])];
    expect(() => matmul(a!, b!)).toThrow(
      "matmul: [2, 3] has 3 columns, [4, 5] has 4 rows; they must be equal",
    );
    expect(() => add(a!, c!)).toThrow(/shapes \[2, 3\] and \[4\] do not broadcast/);
    expect(() => linear(rand([2, 3]), rand([4, 3]), rand([1]))).toThrow(
      "linear: the bias has shape [1], expected [4]",
    );
    expect(() => reshape(rand([4]), [-2, -2])).toThrow(/cannot become \[-2, -2\]/);
    expect(() => slice(rand([4]), [0.5], [3])).toThrow(/must be whole numbers/);
    // @ts-expect-error the compiler says so too: test/types
    expect(() => nn.sequential([1, 28, 28], nn.flatten(), nn.linear(100, 10))).toThrow(
      "layer 1: Linear expects 100 input features but receives 784",
    );
  });
});

describe("old and new values of a variable in one kernel", () => {
  test("in a reduction", async () => {
    const v = variable(tensor([1, 2]));
    await v.data();
    const old = mul(v, 2);
    v.assign(add(v, 1));
    expect(await sum(sub(v, old)).item()).toBe(-1);
    expect([...(await v.data())]).toEqual([2, 3]);
  });

  test("in a product", async () => {
    const v = variable(tensor([1, 2, 3, 4], [2, 2]));
    await v.data();
    const old = permute(v, [0, 1]);
    v.assign(add(v, 1));
    expect([...(await matmul(v, old).data())]).toEqual([11, 16, 19, 28]);
    expect([...(await v.data())]).toEqual([2, 3, 4, 5]);
  });
});

test("an assignment that can never be computed does not poison later work", async () => {
  const v = variable(tensor([1, 2]));
  const w = variable(tensor([0, 0]));
  await evaluate(v, w);
  const y = mul(v, 2);
  v.assign(add(v, 1));
  await evaluate(v);
  w.assign(y);
  await expect(w.data()).rejects.toThrow(/assigned since/);
  expect(await add(tensor([1]), 1).item()).toBe(2);
});
