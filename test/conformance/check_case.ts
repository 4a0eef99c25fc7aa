import { hostArray } from "../../src/core/dtype.js";
import { gradients } from "../../src/ops/gradients.js";
import { evaluate, type Tensor, tensor, variable } from "../../src/tensor/tensor.js";
import { relativeError } from "../support/compare.js";
import { forwardTolerance, gradientTolerance } from "../support/tolerances.js";
import { operations } from "./operations.js";

interface HostTensor {
  shape: number[];
  dtype: "f32" | "i32" | "u8";
  data: number[];
}

/** An operation with what PyTorch makes of it. */
export interface Case {
  op: string;
  name: string;
  inputs: HostTensor[];
  attributes: object;
  output: HostTensor;
  upstream: number[] | null;
  gradients: (number[] | null)[];
}

function load({ shape, dtype, data }: HostTensor): Tensor {
  const array = hostArray(dtype, data.length);
  array.set(data);
  const host = tensor(array, shape);
  return dtype === "f32" ? variable(host, { requiresGrad: true }) : host;
}

/** Runs a case on the device in use, in Node or in a page; sentences on where it is not within the tolerances. */
export async function disagreements(one: Case): Promise<string[]> {
  const { op } = one;
  const inputs = one.inputs.map(load);
  const output = operations[op]!(inputs, one.attributes);
  if (`${output.shape}` !== `${one.output.shape}` || output.dtype !== one.output.dtype)
    return [`it is ${output.dtype} [${output.shape}], not ${one.output.dtype} [${one.output.shape}]`];
  const wanted = one.gradients.flatMap((gradient, i) => (gradient ? [i] : []));
  const flows = one.upstream
    ? gradients(
        output,
        wanted.map((i) => inputs[i]!),
        tensor(one.upstream, one.output.shape),
      )
    : [];
  await evaluate(output, ...flows.filter((flow) => flow !== null));
  const found: string[] = [];
  const compare = (what: string, actual: ArrayLike<number>, expected: readonly number[], most: number) => {
    const error = relativeError(actual, expected);
    if (!(error <= most)) found.push(`${what} errs by ${error}, more than ${most}`);
  };
  compare("the value", await output.data(), one.output.data, forwardTolerance(op));
  for (const [k, flow] of flows.entries()) {
    const i = wanted[k]!;
    const expected = one.gradients[i]!;
    const actual = flow ? await flow.data() : new Float32Array(expected.length);
    compare(`the gradient of input ${i}`, actual, expected, gradientTolerance);
  }
  return found;
}
