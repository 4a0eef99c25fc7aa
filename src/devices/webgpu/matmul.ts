import type { Operand } from "../../core/plan.js";
import { elementCount } from "../../core/shape.js";
import type { Factor, Gemm } from "./gemm.js";
import { coordinates, decode, indexText } from "./indices.js";
import type { Frame } from "./shader.js";

/** A product of the last two axes. With `splits` > 1 the step's first axis is the split. */
export function matmul(frame: Frame, splits: number): Gemm {
  const { step } = frame;
  const [a, b] = step.inputs as [Operand, Operand];
  const shape = splits > 1 ? step.shape.slice(1) : step.shape;
  const rank = shape.length;
  const batch = shape.slice(0, -2);
  const names = coordinates(batch.length, "d");

  const factor = (operand: Operand, outerAxis: number, innerAxis: number): Factor => {
    const strides = operand.kind === "scalar" ? new Array<number>(rank).fill(0) : operand.strides;
    const offset = operand.kind === "scalar" ? 0 : operand.offset;
    const along = (name: string, axis: number): string =>
      indexText([name], { shape: [operand.shape[axis]!], strides: [strides[axis]!], offset: 0 });
    const base = indexText(names, { shape: batch, strides: strides.slice(0, -2), offset });
    return {
      outer: `${decode("batch", batch, names)}
return vec4<i32>(bitcast<i32>(${base} + ${along("i", outerAxis)}), 0i, 0i, 0i);`,
      inner: `return vec4<i32>(bitcast<i32>(${along("p", innerAxis)}), 0i, 0i, 0i);`,
      at: `return ${frame.float(operand, "bitcast<u32>(o.x + i.x)")};`,
      innerIsNear: Math.abs(strides[innerAxis]!) < Math.abs(strides[outerAxis]!),
    };
  };
  const [m, n] = shape.slice(-2) as [number, number];
  return {
    batches: elementCount(batch),
    m,
    n,
    k: a.shape[rank - 1]!,
    inner: { names: ["p"], shape: [a.shape[rank - 1]!] },
    splits,
    a: factor(a, rank - 2, rank - 1),
    b: factor(b, rank - 1, rank - 2),
    store: `${decode("batch", batch, names)}
finish(${[...(splits > 1 ? ["split"] : []), ...names, "m", "n", "sum"].join(", ")});`,
  };
}
