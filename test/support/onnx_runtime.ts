import { createRequire } from "node:module";

/** The part of onnxruntime-web that tests use. */
interface OnnxRuntime {
  env: { wasm: { numThreads: number } };
  InferenceSession: {
    create(model: Uint8Array, options: { executionProviders: string[] }): Promise<Session>;
  };
  Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => unknown;
}

interface Session {
  run(inputs: Record<string, unknown>): Promise<Record<string, { data: Float32Array; dims: number[] }>>;
  release(): Promise<void>;
}

/** A model's run in ONNX Runtime (WebAssembly): input to output values and shape. */
export type RunOnnx = (
  model: Uint8Array,
  inputs: readonly { data: Float32Array; shape: readonly number[] }[],
) => Promise<{ data: Float32Array; shape: number[] }[]>;

/** ONNX Runtime as `test/onnx` installs it. Where CI sets FLYBRICK_REQUIRE_DEVICES, its absence is a failure. */
export function openOnnxRuntime(): RunOnnx | undefined {
  let runtime: OnnxRuntime;
  try {
    runtime = createRequire(new URL("../onnx/package.json", import.meta.url))(
      "onnxruntime-web",
    ) as OnnxRuntime;
  } catch (error) {
    if (process.env.FLYBRICK_REQUIRE_DEVICES) throw error;
    console.warn("not tested in ONNX Runtime: install it by npm ci --prefix test/onnx --ignore-scripts");
    return undefined;
  }
  runtime.env.wasm.numThreads = 1;
  return async (model, inputs) => {
    const session = await runtime.InferenceSession.create(model, { executionProviders: ["wasm"] });
    const outputs = [];
    for (const { data, shape } of inputs) {
      const { output } = await session.run({ input: new runtime.Tensor("float32", data, shape) });
      outputs.push({ data: output!.data, shape: [...output!.dims] });
    }
    await session.release();
    return outputs;
  };
}
