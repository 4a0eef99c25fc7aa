import { spawnSync } from "node:child_process";
import { beforeEach, describe, expect, it } from "vitest";
import type { DType, HostArray } from "../../src/core/dtype.js";
import { call, constant, core, type Expr, input } from "../../src/core/expression.js";
import type { Plan, Step } from "../../src/core/plan.js";
import { type Row, rows, type ScalarType } from "../../src/core/scalar.js";
import { denseStrides, elementCount, type Shape } from "../../src/core/shape.js";
import { openCpu } from "../../src/devices/cpu/cpu.js";
import { convolutionAlgorithms } from "../../src/devices/device.js";
import { openReference } from "../../src/devices/reference/reference.js";
import { renderTiles } from "../../src/render/cpu.js";
import {
  biasedProduct,
  convolutionPasses,
  inPlace,
  mixedOperands,
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

beforeEach(restartNumbers);

const reference = openReference();
const sets: string[] = [];
for (const isa of ["avx512", "avx2", "portable"]) {
  const device = await openCpu({ isa }).catch(() => null);
  if (device) sets.push(isa);
}

function bytesOf(a: HostArray): Buffer {
  return Buffer.from(a.buffer, a.byteOffset, a.byteLength);
}

/** Runs on every instruction set and compares all bindings with the reference device. */
async function check(
  tensors: readonly Tensor[],
  steps: readonly Step[],
  options: {
    scalars?: readonly number[];
    types?: Plan["scalars"];
    relative?: number;
    absolute?: number;
    what?: string;
  } = {},
): Promise<void> {
  const { scalars = [], types = [], relative = 2e-6, absolute = 1e-6, what = "" } = options;
  const plan = planOf(tensors, steps, types);
  const expected = await runOn(reference, plan, tensors, scalars);
  for (const isa of sets) {
    const one = await runOn(await openCpu({ isa, threads: 1 }), plan, tensors, scalars);
    const two = await runOn(await openCpu({ isa, threads: 2 }), plan, tensors, scalars);
    expected.forEach((e, i) => {
      close(one[i]!, e, relative, absolute, `${what} ${isa} value ${i}`);
      expect(
        bytesOf(two[i]!).equals(bytesOf(one[i]!)),
        `${what} ${isa}: thread count changes value ${i}`,
      ).toBe(true);
    });
  }
}

function checkCase(
  { tensors, steps, ...numbers }: StepCase,
  options: Parameters<typeof check>[2] = {},
): Promise<void> {
  return check(tensors, steps, { ...numbers, ...options });
}

describe("scalar table", () => {
  for (const [name, row] of Object.entries<Row>(rows)) {
    const types: ScalarType[] = row.args.includes("T") ? ["f32", "i32", "u32"] : ["f32"];
    for (const type of types) {
      it(`${name}${row.args.includes("T") ? ` ${type}` : ""}`, async () => {
        const args = row.args.map((arg) => (arg === "T" ? type : arg));
        const inputs = columns(args, name);
        const result = row.result === "T" ? type : row.result;
        const count = inputs[0]!.data.length;
        const out: Tensor =
          result === "f32"
            ? { dtype: "f32", data: new Float32Array(count) }
            : { dtype: "i32", data: new Int32Array(count) };
        const expr = call(name, ...args.map((arg, i) => typed(i, arg)));
        const stored =
          result === "u32" ? call("i32FromU32", expr) : result === "bool" ? call("i32FromBool", expr) : expr;
        const extras = inputs.map((one, i) => at(i, one.dtype, [count]));
        const target = at(inputs.length, out.dtype, [count]);
        await check([...inputs, out], [step(pointwise, [count], [], [{ target, expr: stored }], extras)], {
          relative: 1e-6,
          // The smallest denormals have a bit or two of precision.
          absolute: 3e-45,
          what: name,
        });
      });
    }
  }
});

describe("rows that share an instruction", () => {
  const one = constant(1, "f32");
  const exprs: Record<string, Expr> = {
    "product of a converted byte": call("mul", call("f32FromI32", input(4, "i32")), x(1)),
    "three factors": call("mul", x(0), call("mul", x(1), x(2))),
    "product and difference": call("mul", x(0), call("sub", x(1), x(2))),
    "product added": call("add", x(0), call("mul", x(1), x(2))),
    "added to a product": call("add", call("mul", x(1), x(2)), x(0)),
    "product taken away": call("sub", x(0), call("mul", x(1), x(2))),
    "bias and ReLU": call("relu", call("add", x(0), x(3))),
    "bias and sigmoid": call("sigmoid", call("add", x(0), x(3))),
    "sigmoid's gradient": call("mul", x(0), call("mul", x(1), call("sub", one, x(1)))),
    "tanh's gradient": call("mul", x(0), call("sub", one, call("mul", x(1), x(1)))),
  };
  for (const [name, expr] of Object.entries(exprs))
    it(name, async () => {
      expect(renderTiles([expr], 5).instructions.length).toBe(1);
      const shape = [7, 301];
      const count = elementCount(shape);
      const tensors = [floats(count), floats(count), floats(count), floats(301), bytes(count), floats(count)];
      const extras = [
        at(0, "f32", shape),
        at(1, "f32", shape),
        at(2, "f32", shape),
        at(3, "f32", shape, [0, 1]),
        at(4, "u8", shape),
      ];
      const target = at(5, "f32", shape);
      await check(tensors, [step(pointwise, shape, [], [{ target, expr }], extras)], { what: name });
    });

  it("what two rows read, or the step stores, stays apart", () => {
    const product = call("mul", x(0), x(1));
    expect(renderTiles([call("add", product, x(2)), product], 3).instructions.length).toBe(2);
    expect(renderTiles([call("sigmoid", call("add", product, product))], 2).instructions.length).toBe(2);
  });
});

describe("operands", () => {
  it("dense, broadcast, strided, reversed, byte, scalar and index operands together", () =>
    checkCase(mixedOperands([37, 21, 13])));

  it("layouts: [N, C, H, W] to [N, H, W, C] and back, with a bias by channel", async () => {
    const shape = [3, 10, 9, 7];
    const count = elementCount(shape);
    const tensors = [floats(count), floats(10), floats(count), floats(count)];
    const expr = call("relu", call("add", x(0), x(1)));
    const bias = at(1, "f32", shape, [0, 1, 0, 0]);
    await check(tensors, [
      step(
        pointwise,
        shape,
        [],
        [{ target: at(2, "f32", shape, nhwc(shape)), expr }],
        [at(0, "f32", shape), bias],
      ),
      step(
        pointwise,
        shape,
        [],
        [{ target: at(3, "f32", shape), expr }],
        [at(2, "f32", shape, nhwc(shape)), bias],
      ),
    ]);
  });

  for (const count of [1, 5, 16, 511, 512, 513, 40_003]) {
    it(`in place and several outputs, ${count} elements`, () => checkCase(inPlace(count)));
  }
});

describe("reductions", () => {
  const cases: [shape: Shape, axes: readonly number[], strides?: readonly number[]][] = [
    [[7, 10], [1]],
    [[300, 1000], [1]],
    [[40, 30_000], [1]],
    [[5000, 6], [0]],
    [[900, 260], [0]],
    [[200_000], [0]],
    [
      [4, 5, 6, 7],
      [0, 2, 3],
    ],
    [[4, 5, 6, 7], [0, 2, 3], nhwc([4, 5, 6, 7])],
    [[3, 1, 5], [1]],
    [
      [33, 17],
      [0, 1],
      [1, 33],
    ],
  ];
  for (const [shape, axes, strides] of cases) {
    for (const op of ["sum", "max", "min", "argmax"] as const) {
      if (op === "argmax" && axes.length > 1) continue;
      it(`${op} of ${shape} over ${axes}${strides ? " strided" : ""}`, async () => {
        const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
        const result: Tensor = op === "argmax" ? ints(elementCount(kept), 2) : floats(elementCount(kept));
        const tensors = [
          floats(elementCount(shape)),
          floats(shape.at(-1)!),
          result,
          { ...result, data: result.data.slice() },
        ];
        if (op !== "sum") tensors[0]!.data[Math.floor(tensors[0]!.data.length / 2)] = Number.NaN;
        const expr = core(0, op === "argmax" ? "i32" : "f32");
        const one = at(0, "f32", shape, strides);
        const two = at(
          1,
          "f32",
          shape,
          shape.map((_, axis) => (axis === shape.length - 1 ? 1 : 0)),
        );
        await check(
          tensors,
          [
            step(
              { kind: "reduce", op, axes },
              kept,
              [one],
              [{ target: at(2, result.dtype, kept), expr }],
              [],
              x(0),
            ),
            step(
              { kind: "reduce", op, axes },
              kept,
              [one, two],
              [{ target: at(3, result.dtype, kept), expr }],
              [],
              call("mul", x(0), x(1)),
            ),
          ],
          // Sums of 30,000 values of about one, in single precision within a block: the last place of a partial sum counts.
          { relative: 1e-5, absolute: 3e-4 },
        );
      });
    }
  }

  for (const [shape, axis, strides] of [
    [[300, 10], 1],
    [[3, 30_000], 1],
    [[900, 33], 0],
    [[7, 1, 5], 1],
    [[33, 17], 0, [1, 33]],
  ] as [Shape, number, number[]?][]) {
    it(`logSumExp of ${shape} over ${axis}${strides ? " strided" : ""}`, async () => {
      const kept = shape.map((size, i) => (i === axis ? 1 : size));
      const tensors = [floats(elementCount(shape)), floats(elementCount(kept)), ints(elementCount(kept), 2)];
      // Exponentials would overflow, and one result is not a number.
      tensors[0]!.data.forEach((value, i, all) => {
        all[i] = i === 2 ? Number.NaN : 200 * value;
      });
      await check(
        tensors,
        [
          step(
            { kind: "reduce", op: "logSumExp", axes: [axis] },
            kept,
            [at(0, "f32", shape, strides)],
            [
              { target: at(1, "f32", kept), expr: core(0, "f32") },
              { target: at(2, "i32", kept), expr: core(1, "i32") },
            ],
            [],
            x(0),
          ),
        ],
        { relative: 1e-6, absolute: 1e-6 },
      );
    });
  }

  it("integers, and a sum of nothing", async () => {
    const tensors = [ints(1200, 1000), ints(40, 9), ints(30, 9), floats(3)];
    const expr = core(0, "i32");
    await check(tensors, [
      step(
        { kind: "reduce", op: "sum", axes: [0] },
        [1, 40],
        [at(0, "i32", [30, 40])],
        [{ target: at(1, "i32", [1, 40]), expr }],
        [],
        input(0, "i32"),
      ),
      step(
        { kind: "reduce", op: "max", axes: [1] },
        [30, 1],
        [at(0, "i32", [30, 40])],
        [{ target: at(2, "i32", [30, 1]), expr }],
        [],
        input(0, "i32"),
      ),
      step(
        { kind: "reduce", op: "sum", axes: [0] },
        [1, 3],
        [at(0, "f32", [0, 3])],
        [{ target: at(3, "f32", [1, 3]), expr: core(0, "f32") }],
        [],
        x(0),
      ),
    ]);
  });
});

describe("products", () => {
  it("matmul with bias and activation, transposed and batched", () =>
    checkCase(biasedProduct(), { relative: 1e-5, absolute: 1e-4 }));

  it("conv2d and its gradients", () =>
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
      { relative: 1e-5, absolute: 1e-4 },
    ));

  it("pinned algorithms of a convolution: each close to the reference, each with bits of its own", async () => {
    const { tensors, steps } = convolutionPasses({
      images: [12, 20, 12, 11],
      weight: [18, 20, 3, 3],
      padding: [1, 1, 1, 1],
      layout: nhwc,
    });
    const plan = planOf(tensors, steps);
    const expected = await runOn(reference, plan, tensors);
    for (const isa of sets) {
      const bits = new Set<string>();
      for (const convolution of convolutionAlgorithms.filter((one) => one !== "auto")) {
        const one = await runOn(await openCpu({ isa, convolution, threads: 1 }), plan, tensors);
        const two = await runOn(await openCpu({ isa, convolution, threads: 2 }), plan, tensors);
        for (const value of [3, 4, 5]) {
          close(one[value]!, expected[value]!, 1e-5, 1e-3, `${isa} ${convolution} value ${value}`);
          expect(bytesOf(two[value]!).equals(bytesOf(one[value]!)), `${isa} ${convolution} threads`).toBe(
            true,
          );
        }
        bits.add(bytesOf(one[3]!).toString("base64"));
      }
      expect(bits.size, isa).toBe(3);
    }
  });

  it("convolutions of many images and of large ones, by every algorithm and instruction set", {
    timeout: 120_000,
  }, async () => {
    // In turn: AlexNet's kinds with fewer channels (both of Winograd's tiles, a strided layer in phases), LeNet's
    // (narrow), strided neighbours in a vector, images larger than a band, more images than a chunk, kernels as large as the image.
    for (const [n, c, o, size, kernel, stride, padding, groups, ...ways] of [
      [128, 9, 17, 8, 3, 1, 1, 1, "direct", "winograd", "winograd-precise"],
      [128, 3, 7, 8, 5, 1, 2, 1, "direct", "winograd"],
      [128, 1, 20, 21, 11, 4, 1, 1, "direct", "winograd"],
      [128, 1, 6, 14, 5, 1, 2, 1, "auto"],
      [128, 6, 16, 9, 5, 1, 0, 1, "auto"],
      [16, 2, 5, 12, 3, 2, 1, 1, "auto"],
      [2, 2, 3, 200, 3, 1, 1, 1, "winograd"],
      [1, 1, 2, 420, 7, 2, 3, 1, "winograd"],
      [4100, 2, 3, 8, 3, 1, 1, 1, "winograd"],
      [1, 3, 3, 14, 31, 1, 15, 3, "auto"],
    ] as const) {
      const { tensors, steps } = convolutionPasses({
        images: [n, c, size, size],
        weight: [o, c / groups, kernel, kernel],
        stride: [stride, stride],
        padding: [padding, padding, padding, padding],
        groups,
        layout: nhwc,
      });
      const plan = planOf(tensors, steps);
      const expected = await runOn(reference, plan, tensors);
      for (const isa of sets)
        for (const convolution of ways) {
          const found = await runOn(await openCpu({ isa, convolution, threads: 2 }), plan, tensors);
          const alone = await runOn(await openCpu({ isa, convolution, threads: 1 }), plan, tensors);
          for (const value of [3, 4, 5]) {
            const what = `${isa} ${convolution} ${n} of ${size}, ${kernel}x${kernel}, value ${value}`;
            expect(relativeL2(found[value]!, expected[value]!), what).toBeLessThan(1e-5);
            expect(bytesOf(found[value]!).equals(bytesOf(alone[value]!)), `${what}: threads`).toBe(true);
          }
        }
    }
  });

  it("narrow convolutions, whose rows are filtered: close to the reference, with bits of their own", async () => {
    // In turn: LeNet's second layer, more channels than a vector has and a kernel of another height, uneven padding
    // that is wider than the kernel, rows apart; then maps whose channels are not adjacent.
    for (const [n, c, o, height, width, kernel, padding, dilationY, planar] of [
      [9, 6, 16, 14, 14, [5, 5], [0, 0, 0, 0], 1, false],
      [5, 12, 20, 9, 23, [3, 5], [1, 1, 2, 2], 1, false],
      [40, 7, 9, 11, 10, [5, 3], [3, 0, 4, 1], 1, false],
      [12, 20, 12, 12, 13, [3, 3], [0, 2, 1, 0], 2, false],
      [5, 6, 16, 12, 12, [5, 5], [2, 2, 2, 2], 1, true],
    ] as const) {
      const { tensors, steps } = convolutionPasses({
        images: [n, c, height, width],
        weight: [o, c, ...kernel],
        padding,
        dilation: [dilationY, 1],
        layout: planar ? denseStrides : (shape) => nhwc(shape),
      });
      const plan = planOf(tensors, steps);
      const expected = await runOn(reference, plan, tensors);
      for (const isa of sets) {
        const [one, two, direct] = await Promise.all(
          [{ threads: 1 }, { threads: 2 }, { convolution: "direct" as const }].map(async (options) =>
            runOn(await openCpu({ isa, ...options }), plan, tensors),
          ),
        );
        for (const value of [3, 4, 5]) {
          const what = `${isa} ${c} to ${o} of ${height}x${width}, value ${value}`;
          expect(relativeL2(one![value]!, expected[value]!), what).toBeLessThan(3e-6);
          expect(bytesOf(two![value]!).equals(bytesOf(one![value]!)), `${what}: threads`).toBe(true);
          expect(bytesOf(direct![value]!).equals(bytesOf(one![value]!)), `${what}: filtered`).toBe(false);
        }
      }
    }
  });

  it("numbers, indices and bytes as operands of a product are written out first", async () => {
    const tensors = [bytes(12), floats(8)];
    await check(
      tensors,
      [
        step(
          { kind: "matmul" },
          [4, 2],
          [at(0, "u8", [4, 3]), { kind: "iota", shape: [3, 2], strides: [2, 1], offset: 1 }],
          [{ target: at(1, "f32", [4, 2]), expr: core(0, "f32") }],
        ),
        step(
          { kind: "matmul" },
          [4, 2],
          [{ kind: "scalar", slot: 0, type: "f32", shape: [4, 3] }, at(0, "u8", [3, 2])],
          [{ target: at(1, "f32", [4, 2]), expr: call("add", core(0, "f32"), x(0)) }],
          [at(1, "f32", [4, 2])],
        ),
      ],
      { scalars: [0.5], types: ["f32"] },
    );
  });
});

describe("windows", () => {
  for (const last of [true, false]) {
    for (const [c, h, w, kernelSize, stride, padding] of [
      [6, 8, 10, [2, 2], [2, 2], [0, 0, 0, 0]],
      [3, 6, 14, [2, 2], [2, 2], [0, 0, 0, 0]],
      [20, 11, 9, [3, 3], [2, 2], [0, 0, 0, 0]],
      [3, 7, 12, [3, 2], [1, 2], [1, 1, 1, 0]],
      [1, 9, 9, [5, 5], [1, 1], [2, 2, 2, 2]],
    ] as const) {
      for (const op of ["max", "sum"] as const) {
        it(`${op} ${kernelSize} by ${stride} of ${c} channels${last ? ", channels last" : ""}`, async () => {
          const from = [2, c, h, w];
          const size = (n: number, k: number, s: number, p: number) => Math.floor((n + p - k) / s) + 1;
          const to = [
            2,
            c,
            size(h, kernelSize[0], stride[0], padding[0] + padding[1]),
            size(w, kernelSize[1], stride[1], padding[2] + padding[3]),
          ];
          const place = (value: number, dtype: DType, shape: Shape) =>
            at(value, dtype, shape, last ? nhwc(shape) : undefined);
          const tensors = [
            floats(elementCount(from)),
            floats(elementCount(to)),
            bytes(elementCount(to)),
            floats(elementCount(from)),
          ];
          // Ties and a NaN.
          tensors[0]!.data.forEach((v, i) => {
            tensors[0]!.data[i] = Math.round(v * 2);
          });
          if (op === "max") tensors[0]!.data[37] = Number.NaN;
          const geometry = { op, kernelSize, stride, padding };
          const outputs = [{ target: place(1, "f32", to), expr: core(0, "f32") }];
          if (op === "max") outputs.push({ target: place(2, "u8", to), expr: core(1, "i32") });
          const dy = floats(elementCount(to));
          await check(
            [...tensors, dy],
            [
              step({ kind: "window", ...geometry }, to, [place(0, "f32", from)], outputs),
              step(
                { kind: "windowGrad", ...geometry },
                from,
                op === "max" ? [at(4, "f32", to), place(2, "u8", to)] : [at(4, "f32", to)],
                [{ target: place(3, "f32", from), expr: call("mul", core(0, "f32"), x(0)) }],
                [place(0, "f32", from)],
              ),
            ],
          );
        });
      }
    }
  }
});

describe("gather, scatterAdd, resize", () => {
  for (const dtype of ["f32", "i32", "u8"] as const) {
    for (const row of [[], [5], [3, 50]]) {
      it(`gather of ${dtype} rows [${row}]`, async () => {
        const size = elementCount(row);
        const table =
          dtype === "f32" ? floats(9 * size) : dtype === "i32" ? ints(9 * size, 100) : bytes(9 * size);
        const index: Tensor = { dtype: "i32", data: Int32Array.of(3, 0, -1, 8, 9, 3) };
        const shape = [2, 3, ...row];
        const out = dtype === "f32" ? floats(6 * size) : ints(6 * size, 7);
        await check(
          [table, index, out],
          [
            step(
              { kind: "gather" },
              shape,
              [at(0, dtype, [9, ...row]), at(1, "i32", [2, 3])],
              [{ target: at(2, out.dtype, shape), expr: core(0, dtype === "f32" ? "f32" : "i32") }],
            ),
          ],
        );
      });
    }
  }

  it("scatterAdd", async () => {
    const index: Tensor = { dtype: "i32", data: Int32Array.of(3, 0, -1, 8, 9, 3, 3, 0) };
    const tensors = [floats(8 * 70), index, floats(9 * 70)];
    await check(tensors, [
      step(
        { kind: "scatterAdd" },
        [9, 70],
        [at(0, "f32", [8, 70]), at(1, "i32", [8])],
        [{ target: at(2, "f32", [9, 70]), expr: call("add", core(0, "f32"), x(0)) }],
        [at(2, "f32", [9, 70])],
      ),
    ]);
  });

  for (const [c, from, to] of [
    [1, [7, 5], [56, 40]],
    [3, [8, 9], [5, 4]],
    [20, [4, 4], [9, 7]],
  ] as const) {
    for (const last of [true, false]) {
      it(`resize ${c} channels ${from} to ${to}${last ? ", channels last" : ""}`, async () => {
        const small = [2, c, ...from];
        const large = [2, c, ...to];
        const place = (value: number, shape: Shape) =>
          at(value, "f32", shape, last ? nhwc(shape) : undefined);
        const tensors = [
          floats(elementCount(small)),
          floats(elementCount(large)),
          floats(elementCount(small)),
        ];
        await check(
          tensors,
          [
            step(
              { kind: "resize" },
              large,
              [place(0, small)],
              [{ target: place(1, large), expr: core(0, "f32") }],
            ),
            step(
              { kind: "resizeGrad" },
              small,
              [place(1, large)],
              [{ target: place(2, small), expr: core(0, "f32") }],
            ),
          ],
          { absolute: 1e-5 },
        );
      });
    }
  }
});

describe("device", () => {
  it("keeps the order of writes, runs and reads", async () => {
    const device = await openCpu({ threads: 2 });
    const count = 1 << 20;
    const tensors = [floats(count)];
    const here = at(0, "f32", [count]);
    const plan = planOf(tensors, [
      step(pointwise, [count], [], [{ target: here, expr: call("add", x(0), constant(1, "f32")) }], [here]),
    ]);
    const buffer = device.allocate(count * 4);
    const prepared = device.prepare(plan);
    const binding = [{ buffer, byteOffset: 0 }];
    for (let i = 0; i < 300; i++) device.run(prepared, binding, []);
    const host = new Uint8Array(new Float32Array([50]).buffer);
    device.write(buffer, 0, host);
    host.fill(0);
    device.run(prepared, binding, []);
    const read = await device.read(buffer, 0, 8);
    expect([...new Float32Array(read.buffer)]).toEqual([51, 301]);
    device.free(buffer);
    expect(() => device.write(buffer, 0, host)).toThrow(/freed/);
  });

  it("gives freed memory back", async () => {
    const device = await openCpu();
    const before = process.memoryUsage.rss();
    const host = new Uint8Array(8 << 20).fill(1);
    for (let i = 0; i < 100; i++) {
      const buffer = device.allocate(host.length);
      device.write(buffer, 0, host);
      const read = device.read(buffer, 0, 4);
      device.free(buffer);
      expect([...(await read)]).toEqual([1, 1, 1, 1]);
    }
    // 800 MiB went through; up to 256 MiB are kept for the next.
    expect(process.memoryUsage.rss() - before).toBeLessThan(400 << 20);
  });

  it("lets a process with several devices end", { timeout: 60_000 }, () => {
    const open = new URL("../../src/devices/open.ts", import.meta.url).href;
    const program = `const { openDevice } = await import(${JSON.stringify(open)}); await openDevice("cpu"); await openDevice("cpu");`;
    const args = ["--import", "tsx", "--input-type=module", "-e", program];
    expect(spawnSync(process.execPath, args).status).toBe(0);
  });

  it("names sizes and reasons in its errors", async () => {
    const device = await openCpu();
    expect(() => device.allocate(2 ** 50)).toThrow(/1125899906842624 bytes/);
    const buffer = device.allocate(8);
    expect(() => device.read(buffer, 4, 8)).toThrow(/8 bytes at 4 are outside a buffer of 8 bytes/);
    expect(await device.read(buffer, 0, 8)).toEqual(new Uint8Array(8));
    await expect(openCpu({ isa: "sse9" })).rejects.toThrow(/avx512, avx2, portable/);
    expect(device.description).toMatch(/, .* thread/);
    await expect(openCpu({ convolution: "fft" as "auto" })).rejects.toThrow(/"fft".*auto, direct, winograd/);
    expect((await openCpu({ convolution: "direct" })).description).toMatch(/direct convolutions$/);
  });
});
