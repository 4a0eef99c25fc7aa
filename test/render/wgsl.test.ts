import { expect, test } from "vitest";
import { call, constant, core, type Expr, input } from "../../src/core/expression.js";
import { type Row, rows } from "../../src/core/scalar.js";
import { renderWgsl } from "../../src/render/wgsl.js";
import { functionsFor } from "../../src/render/wgsl_functions.js";

function text(...exprs: Expr[]): string {
  const { statements, results } = renderWgsl(exprs);
  return [...statements, `-> ${results.join(", ")}`].join("\n");
}

const x = (index: number): Expr => input(index, "f32");

test("bias, ReLU and what it is compared with: a shared term is printed once", () => {
  const relu = call("relu", call("add", core(0, "f32"), x(0)));
  expect(text(relu, call("select", call("gt", relu, constant(0, "f32")), relu, x(1)))).toMatchInlineSnapshot(`
    "let t0 = core0 + in0;
    let t1 = relu_of(t0);
    let t2 = 0f;
    let t3 = t1 > t2;
    let t4 = select(in1, t1, t3);
    -> t1, t4"
  `);
});

test("a dropout mask: philox, and the row's functions that it needs", () => {
  const u = (index: number): Expr => input(index, "u32");
  const kept = call("lt", call("unitFromU32", call("philox", u(0), u(1), u(2), u(3))), x(4));
  const code = text(call("select", kept, call("mul", x(5), x(6)), constant(0, "f32")));
  expect(code).toMatchInlineSnapshot(`
    "let t0 = philox(in0, in1, in2, in3);
    let t1 = f32(t0 >> 8u) * 5.9604644775390625e-8f;
    let t2 = t1 < in4;
    let t3 = in5 * in6;
    let t4 = 0f;
    let t5 = select(t4, t3, t2);
    -> t5"
  `);
  expect([...functionsFor(code).matchAll(/^fn (\w+)/gm)].map(([, name]) => name)).toEqual([
    "multiply_high",
    "philox",
  ]);
});

test("constants are exact, and none can stop a shader from compiling", () => {
  const values = [
    0.1,
    -0,
    1e-7,
    3.4028234663852886e38,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.NaN,
  ];
  const exprs = values.map((value) => constant(value, "f32"));
  exprs.push(constant(-2147483648, "i32"), constant(4294967295, "u32"), constant(1, "bool"));
  expect(text(...exprs)).toMatchInlineSnapshot(`
    "let t0 = 0.10000000149011612f;
    let t1 = bitcast<f32>(0x80000000u);
    let t2 = 1.0000000116860974e-7f;
    let t3 = 3.4028234663852886e+38f;
    let t4 = infinity();
    let t5 = -infinity();
    let t6 = nan();
    let t7 = bitcast<i32>(2147483648u);
    let t8 = 4294967295u;
    let t9 = true;
    -> t0, t1, t2, t3, t4, t5, t6, t7, t8, t9"
  `);
});

test("generic rows name their type; select takes its arguments the other way round", () => {
  const [i, j] = [input(0, "i32"), input(1, "i32")];
  const larger = call("max", i, j);
  expect(text(call("select", call("ne", i, j), larger, call("neg", i)))).toMatchInlineSnapshot(`
    "let t0 = ne_i32(in0, in1);
    let t1 = max_i32(in0, in1);
    let t2 = neg_i32(in0);
    let t3 = select(t2, t1, t0);
    -> t3"
  `);
});

test("every function that a row calls is WGSL's own or ours", () => {
  const builtin = new Set(["abs", "floor", "ceil", "sqrt", "select", "f32", "bitcast"]);
  for (const { wgsl } of Object.values<Row>(rows)) {
    for (const type of ["f32", "i32", "u32"]) {
      for (const [, name] of wgsl.replaceAll("_T", `_${type}`).matchAll(/\b(\w+)(?:<\w+>)?\(/g))
        expect(builtin.has(name!) || functionsFor(name!) !== "", name).toBe(true);
    }
  }
});
