import { beforeEach, describe, expect, test } from "vitest";
import { call, constant, core } from "../../src/core/expression.js";
import type { Plan, Step } from "../../src/core/plan.js";
import { type Row, rows, type ScalarType } from "../../src/core/scalar.js";
import { denseStrides, elementCount, type Shape } from "../../src/core/shape.js";
import { openReference } from "../../src/devices/reference/reference.js";
import { productVariants } from "../../src/devices/webgpu/variants.js";
import type { WebgpuDevice } from "../../src/devices/webgpu/webgpu.js";
import {
  biasedProduct,
  convolutionPasses,
  inPlace,
  mixedOperands,
  type Passes,
  type StepCase,
} from "../support/step_cases.js";
import {
  at,
  bytes,
  close,
  columns,
  floats,
  ints,
  nhwc,
  out,
  planOf,
  pointwise,
  relativeL2,
  restartNumbers,
  runOn,
  step,
  type Tensor,
  typed,
  x,
} from "../support/steps.js";
import { adapter, openGpu } from "../support/webgpu.js";

beforeEach(restartNumbers);

const reference = openReference();
const usual = adapter && (await openGpu());

async function check(
  tensors: readonly Tensor[],
  steps: readonly Step[],
  options: {
    device?: WebgpuDevice;
    scalars?: readonly number[];
    types?: Plan["scalars"];
    relative?: number;
    absolute?: number;
    what?: string;
  } = {},
): Promise<void> {
  const { device = usual!, scalars = [], types = [], relative = 2e-6, absolute = 1e-6, what = "" } = options;
  const plan = planOf(tensors, steps, types);
  const expected = await runOn(reference, plan, tensors, scalars);
  const actual = await runOn(device, plan, tensors, scalars);
  expected.forEach((one, i) => {
    close(actual[i]!, one, relative, absolute, `${what} value ${i}`);
  });
}

function checkCase(
  { tensors, steps, ...numbers }: StepCase,
  options: Parameters<typeof check>[2] = {},
): Promise<void> {
  return check(tensors, steps, { ...numbers, ...options });
}

const mixedShape = [7, 11, 13] as const;

describe.skipIf(!adapter)("steps on webgpu equal the reference device's", { timeout: 120_000 }, () => {
  // GPUs may take denormal numbers as zero.
  const isNormal = (value: number): boolean => value === 0 || !(Math.abs(value) < 1.2e-38);

  test("every row of the scalar table, NaN and infinities among the arguments", async () => {
    for (const [name, row] of Object.entries<Row>(rows)) {
      const types: ScalarType[] = row.args.includes("T") ? ["f32", "i32", "u32"] : ["f32"];
      for (const type of types) {
        const args = row.args.map((arg) => (arg === "T" ? type : arg));
        const all = columns(args, name);
        const kept = [...all[0]!.data.keys()].filter((i) => all.every(({ data }) => isNormal(data[i]!)));
        await checkRow(
          name,
          row,
          args,
          type,
          all.map((one) => pick(one, kept)),
        );
      }
    }
  });

  function pick({ data, dtype }: Tensor, kept: readonly number[]): Tensor {
    const found = dtype === "f32" ? new Float32Array(kept.length) : new Int32Array(kept.length);
    kept.forEach((from, to) => {
      found[to] = data[from]!;
    });
    return { dtype, data: found };
  }

  async function checkRow(
    name: string,
    row: Row,
    args: readonly ScalarType[],
    type: ScalarType,
    inputs: readonly Tensor[],
  ): Promise<void> {
    const result = row.result === "T" ? type : row.result;
    const count = inputs[0]!.data.length;
    const target: Tensor =
      result === "f32"
        ? { dtype: "f32", data: new Float32Array(count) }
        : { dtype: "i32", data: new Int32Array(count) };
    const expr = call(name, ...args.map((arg, i) => typed(i, arg)));
    const stored =
      result === "u32" ? call("i32FromU32", expr) : result === "bool" ? call("i32FromBool", expr) : expr;
    await check(
      [...inputs, target],
      [
        step(
          pointwise,
          [count],
          [],
          [{ target: at(inputs.length, target.dtype, [count]), expr: stored }],
          inputs.map((one, i) => at(i, one.dtype, [count])),
        ),
      ],
      {
        // The logarithm of a power is rounded to single precision before it is multiplied by the exponent.
        relative: name === "pow" ? 2e-5 : 1e-6,
        // Near a multiple of pi only the angle's last digits are left.
        absolute: name === "sin" || name === "cos" ? 1e-12 : 1.2e-38,
        what: `${name} ${type}`,
      },
    );
  }

  test("dense, broadcast, strided, reversed, byte, scalar and index operands together", () =>
    checkCase(mixedOperands(mixedShape)));

  test("the same where a dispatch binds few buffers: operands go through scratch memory", async () => {
    for (const bindings of [1, 2, 3, 5]) {
      restartNumbers();
      await checkCase(mixedOperands(mixedShape), {
        device: await openGpu({ bindings }),
        what: `${bindings} bindings`,
      });
    }
    const { tensors, steps, types } = mixedOperands(mixedShape);
    const device = await openGpu({ bindings: 1, bindingBytes: 1024 });
    expect(() => device.prepare(planOf(tensors, steps, types))).toThrow(/needs \d+ storage buffers.*binds 1/);
  });

  test("the same where a binding holds few bytes: values are read and written in pieces", async () => {
    await checkCase(mixedOperands(mixedShape), { device: await openGpu({ bindingBytes: 2048 }) });
    const device = await openGpu({ bindingBytes: 1024, bindings: 12 });
    const big = [floats(700), floats(700), bytes(2900), bytes(2900)];
    await check(
      big,
      [
        step(
          pointwise,
          [700],
          [],
          [{ target: at(1, "f32", [700], [-1], 699), expr: x(0) }],
          [at(0, "f32", [700])],
        ),
        step(
          pointwise,
          [2900],
          [],
          [{ target: at(3, "u8", [2900]), expr: call("add", typed(0, "i32"), constant(3, "i32")) }],
          [at(2, "u8", [2900])],
        ),
      ],
      { device },
    );
  });

  for (const count of [1, 5, 513, 40_003]) {
    test(`in place and several outputs, ${count} elements`, () => checkCase(inPlace(count)));
  }

  test("more workgroups than one dimension of a dispatch holds", async () => {
    const count = 65_536 * 64 + 5;
    const here = at(0, "u8", [count]);
    const expr = call("add", typed(0, "i32"), constant(1, "i32"));
    const numbers: Tensor = { dtype: "u8", data: new Uint8Array(count) };
    const [after] = await runOn(
      usual!,
      planOf([numbers], [step(pointwise, [count], [], [{ target: here, expr }], [here])]),
      [numbers],
    );
    expect(after!.every((value) => value === 1)).toBe(true);
  });

  const reductions: [shape: Shape, axes: readonly number[], strides?: readonly number[]][] = [
    [[7, 10], [1]],
    [[30, 1000], [1]],
    [[5000, 6], [0]],
    [[200_000], [0]],
    [[4, 5, 6, 7], [0, 2, 3], nhwc([4, 5, 6, 7])],
    [[3, 1, 5], [1]],
    [
      [33, 17],
      [0, 1],
      [1, 33],
    ],
  ];
  test.each(reductions)("reductions of %j over %j", async (shape, axes, strides) => {
    for (const op of ["sum", "max", "min", "argmax"] as const) {
      if (op === "argmax" && axes.length > 1) continue;
      const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
      const result: Tensor = op === "argmax" ? ints(elementCount(kept), 2) : floats(elementCount(kept));
      const tensors = [floats(elementCount(shape)), floats(shape.at(-1)!), result];
      if (op !== "sum") tensors[0]!.data[Math.floor(tensors[0]!.data.length / 2)] = Number.NaN;
      const last = shape.map((_, axis) => (axis === shape.length - 1 ? 1 : 0));
      const inputs = [at(0, "f32", shape, strides), at(1, "f32", shape, last)];
      const outputs = [{ target: at(2, result.dtype, kept), expr: core(0, op === "argmax" ? "i32" : "f32") }];
      await check(
        tensors,
        [step({ kind: "reduce", op, axes }, kept, inputs, outputs, [], call("mul", x(0), x(1)))],
        // Sums of 200,000 values of about one: the last places of the partial sums count.
        { relative: 1e-5, absolute: 1e-3, what: op },
      );
    }
  });

  const lines: [shape: Shape, axis: number, strides?: readonly number[]][] = [
    [[300, 10], 1],
    [[3, 30_000], 1],
    [[900, 33], 0],
    [[7, 1, 5], 1],
    [[33, 17], 0, [1, 33]],
  ];
  test.each(["workgroup", "subgroups"] as const)("reductions by %s", async (variant) => {
    if (variant === "subgroups") expect(adapter!.features.has("subgroups")).toBe(true);
    const device = await openGpu({ variant });
    const shape = [3, 1100];
    for (const op of ["sum", "max", "argmax", "logSumExp"] as const) {
      const findsPlace = op === "argmax" || op === "logSumExp";
      const tensors = [floats(3300), floats(3), ints(3, 2)];
      if (op !== "sum") tensors[0]!.data[1500] = Number.NaN;
      const outputs = op === "argmax" ? [] : [{ target: at(1, "f32", [3, 1]), expr: core(0, "f32") }];
      if (findsPlace) outputs.push({ target: at(2, "i32", [3, 1]), expr: core(outputs.length, "i32") });
      await check(
        tensors,
        [step({ kind: "reduce", op, axes: [1] }, [3, 1], [at(0, "f32", shape)], outputs, [], x(0))],
        {
          device,
          relative: 1e-5,
          absolute: 1e-4,
          what: op,
        },
      );
    }
  });

  test.each(lines)("logSumExp of %j over %j", async (shape, axis, strides) => {
    const kept = shape.map((size, i) => (i === axis ? 1 : size));
    const tensors = [floats(elementCount(shape)), floats(elementCount(kept)), ints(elementCount(kept), 2)];
    // Exponentials would overflow, one result is not a number, and one row starts with what adds nothing.
    tensors[0]!.data.forEach((value, i, all) => {
      all[i] = i === 2 ? Number.NaN : i === shape.at(-1)! * 2 ? Number.NEGATIVE_INFINITY : 200 * value;
    });
    const outputs = [
      { target: at(1, "f32", kept), expr: core(0, "f32") },
      { target: at(2, "i32", kept), expr: core(1, "i32") },
    ];
    const kernel = { kind: "reduce", op: "logSumExp", axes: [axis] } as const;
    await check(tensors, [step(kernel, kept, [at(0, "f32", shape, strides)], outputs, [], x(0))], {
      relative: 1e-6,
      absolute: 1e-5,
    });
  });

  test("integers, and reductions of nothing", async () => {
    const tensors = [ints(12_000, 1000), ints(40, 9), ints(300, 9), floats(3), floats(3)];
    const nothing = at(0, "f32", [0, 3]);
    await check(tensors, [
      step(
        { kind: "reduce", op: "sum", axes: [0] },
        [1, 40],
        [at(0, "i32", [300, 40])],
        [{ target: at(1, "i32", [1, 40]), expr: core(0, "i32") }],
        [],
        typed(0, "i32"),
      ),
      step(
        { kind: "reduce", op: "max", axes: [1] },
        [300, 1],
        [at(0, "i32", [300, 40])],
        [{ target: at(2, "i32", [300, 1]), expr: core(0, "i32") }],
        [],
        typed(0, "i32"),
      ),
      step({ kind: "reduce", op: "sum", axes: [0] }, [1, 3], [nothing], out(3, [1, 3]), [], x(0)),
      step({ kind: "reduce", op: "max", axes: [0] }, [1, 3], [nothing], out(4, [1, 3]), [], x(0)),
    ]);
  });

  describe.each(productVariants.map(({ name }) => name))("products, variant %s", (variant) => {
    test("matmul with bias and activation, transposed and batched", async () =>
      checkCase(biasedProduct(), { device: await openGpu({ variant }), relative: 1e-5, absolute: 1e-4 }));

    // The largest tile takes software long to compile, and differs in numbers only.
    if (variant === "shared-128") return;
    test("conv2d and its gradients: strided, dilated, padded on one side, in groups", async () =>
      checkCase(
        convolutionPasses({
          images: [2, 4, 9, 8],
          weight: [6, 2, 3, 3],
          stride: [2, 1],
          padding: [1, 0, 2, 1],
          dilation: [1, 2],
          groups: 2,
          aboveLayout: nhwc,
        }),
        { device: await openGpu({ variant }), relative: 1e-5, absolute: 1e-3 },
      ));
  });

  test("conv2d and its input gradient where a row is read once for all taps", () =>
    checkCase(
      convolutionPasses({
        images: [2, 4, 7, 11],
        weight: [6, 2, 3, 3],
        stride: [2, 1],
        padding: [1, 1, 2, 0],
        groups: 2,
        layout: nhwc,
        aboveLayout: denseStrides,
      }),
      { relative: 1e-5, absolute: 1e-4 },
    ));

  test.each([
    [
      "padded on one side, with a bias and ReLU",
      { images: [2, 17, 7, 6], weight: [18, 17, 3, 3], padding: [1, 0, 2, 1] },
    ],
    [
      "in groups, channels last, wider than the kernel",
      { images: [1, 32, 5, 9], weight: [34, 16, 3, 3], padding: [3, 3, 3, 3], groups: 2, layout: nhwc },
    ],
    ["of one pixel", { images: [3, 16, 3, 3], weight: [16, 16, 3, 3] }],
  ] satisfies [string, Passes][])("convolutions by Winograd, %s", async (_, passes) => {
    const expr = call("relu", call("add", core(0, "f32"), x(0)));
    const { tensors, steps } = convolutionPasses({ ...passes, expr });
    const [forward] = steps as [Step];
    const bias = at(6, "f32", forward.shape, [0, 1, 0, 0]);
    const all = [...tensors, floats(forward.shape[1]!)];
    const plan = planOf(all, [{ ...forward, extras: [bias] }, ...steps.slice(1)]);
    const expected = await runOn(reference, plan, all);
    const direct = await runOn(usual!, plan, all);
    const ways = ["winograd", "winograd-precise"] as const;
    const found = await Promise.all(
      ways.map(async (convolution) => {
        const device = await openGpu({ convolution });
        // Transforms, product and transform, twice; the weight gradient directly.
        expect(device.prepare(plan).dispatches.length).toBe(7);
        const results = await runOn(device, plan, all);
        return results;
      }),
    );
    for (const value of [3, 4]) {
      for (const results of found) {
        expect(relativeL2(results[value]!, expected[value]!)).toBeLessThan(1e-5);
        expect(results[value]).not.toEqual(direct[value]);
      }
      expect(found[0]![value]).not.toEqual(found[1]![value]);
    }
  });

  test("convolutions by Winograd where a binding holds few bytes, or too few to take it", async () => {
    const { tensors, steps } = convolutionPasses({ images: [1, 17, 7, 6], weight: [18, 17, 3, 3] });
    const plan = planOf(tensors, steps.slice(0, 1));
    const runIn = async (options: Parameters<typeof openGpu>[0], dispatches: number) => {
      const device = await openGpu(options);
      const prepared = device.prepare(plan);
      expect(prepared.dispatches.length).toBe(dispatches);
      return { results: await runOn(device, plan, tensors), arenaBytes: prepared.arenaBytes };
    };
    const convolution = "winograd";
    const whole = await runIn({ convolution }, 3);
    const inPieces = await runIn({ convolution, bindings: 12, bindingBytes: 16_384 }, 3);
    expect(inPieces.results).toEqual(whole.results);
    const direct = await runIn({}, 1);
    expect(await runIn({ convolution, bindings: 4, bindingBytes: 16_384 }, 1)).toEqual(direct);
    expect(whole.results).not.toEqual(direct.results);
  });

  test("sums that several share: the update rides on the second step, in place", async () => {
    // Workgroups of shared tiles wait for each other, slowly in software: few of them.
    for (const [variant, batch, k] of [
      ["registers", 8, 700],
      ["shared-64", 4, 512],
    ] as const) {
      const geometry = { stride: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1], groups: 1 } as const;
      const [images, weight, upstream] = [
        [batch, 3, 11, 12],
        [5, 3, 3, 3],
        [batch, 5, 11, 12],
      ];
      const tensors = [images!, upstream!, weight!, [9, k], [k, 5], [9, 5]].map((shape) =>
        floats(elementCount(shape)),
      );
      const update = call("sub", x(0), core(0, "f32"));
      const [w, product] = [at(2, "f32", weight!), at(5, "f32", [9, 5])];
      const steps = [
        step(
          { kind: "conv2dWeightGrad", ...geometry },
          weight!,
          [at(0, "f32", images!), at(1, "f32", upstream!)],
          [{ target: w, expr: update }],
          [w],
        ),
        step(
          { kind: "matmul" },
          [9, 5],
          [at(3, "f32", [9, k]), at(4, "f32", [k, 5])],
          [{ target: product, expr: update }],
          [product],
        ),
      ];
      const device = await openGpu({ variant });
      expect(device.prepare(planOf(tensors, steps)).dispatches.length).toBe(4);
      await check(tensors, steps, { device, relative: 1e-5, absolute: 1e-3, what: variant });
    }
  });

  test.each([
    [6, 8, 10, [2, 2], [2, 2], [0, 0, 0, 0]],
    [5, 11, 9, [3, 3], [2, 2], [0, 0, 0, 0]],
    [3, 7, 12, [3, 2], [1, 2], [1, 1, 1, 0]],
    [1, 9, 9, [2, 2], [3, 3], [0, 0, 0, 0]],
  ] as const)(
    "windows over %i channels of %i x %i: %j by %j, padding %j",
    async (c, h, w, kernelSize, stride, padding) => {
      const from = [2, c, h, w];
      const size = (n: number, k: number, s: number, p: number) => Math.floor((n + p - k) / s) + 1;
      const to = [
        2,
        c,
        size(h, kernelSize[0], stride[0], padding[0] + padding[1]),
        size(w, kernelSize[1], stride[1], padding[2] + padding[3]),
      ];
      for (const op of ["max", "sum"] as const) {
        const tensors = [
          floats(elementCount(from)),
          floats(elementCount(to)),
          bytes(elementCount(to)),
          floats(elementCount(from)),
          floats(elementCount(to)),
        ];
        // Ties and a NaN.
        tensors[0]!.data.forEach((v, i) => {
          tensors[0]!.data[i] = Math.round(v * 2);
        });
        if (op === "max") tensors[0]!.data[37] = Number.NaN;
        const geometry = { op, kernelSize, stride, padding };
        const outputs = [...out(1, to)];
        if (op === "max") outputs.push({ target: at(2, "u8", to, nhwc(to)), expr: core(1, "i32") });
        const upstream = [at(4, "f32", to), at(2, "u8", to, nhwc(to))];
        await check(
          tensors,
          [
            step({ kind: "window", ...geometry }, to, [at(0, "f32", from)], outputs),
            step(
              { kind: "windowGrad", ...geometry },
              from,
              op === "max" ? upstream : upstream.slice(0, 1),
              out(3, from, nhwc(from), call("mul", core(0, "f32"), x(0))),
              [at(0, "f32", from)],
            ),
          ],
          { what: op },
        );
      }
    },
  );

  test("gather, scatterAdd and resize with its gradient", async () => {
    const index: Tensor = { dtype: "i32", data: Int32Array.of(3, 0, -1, 8, 9, 3) };
    await check(
      [bytes(45), index, ints(30, 7), floats(30), floats(45)],
      [
        step(
          { kind: "gather" },
          [2, 3, 5],
          [at(0, "u8", [9, 5]), at(1, "i32", [2, 3])],
          [{ target: at(2, "i32", [2, 3, 5]), expr: core(0, "i32") }],
        ),
        step(
          { kind: "scatterAdd" },
          [9, 5],
          [at(3, "f32", [2, 3, 5]), at(1, "i32", [2, 3])],
          out(4, [9, 5], undefined, call("add", core(0, "f32"), x(0))),
          [at(4, "f32", [9, 5])],
        ),
      ],
    );
    for (const [from, to] of [
      [
        [7, 5],
        [56, 40],
      ],
      [
        [8, 9],
        [5, 4],
      ],
      [
        [4, 4],
        [9, 7],
      ],
    ] as const) {
      const [small, large] = [
        [2, 3, ...from],
        [2, 3, ...to],
      ];
      await check(
        [small, large, small].map((shape) => floats(elementCount(shape!))),
        [
          step({ kind: "resize" }, large!, [at(0, "f32", small!)], out(1, large!)),
          step({ kind: "resizeGrad" }, small!, [at(1, "f32", large!)], out(2, small!)),
        ],
        { absolute: 1e-5 },
      );
    }
  });
});
