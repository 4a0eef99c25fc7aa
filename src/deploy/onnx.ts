import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AttributeProtoSchema, NodeProtoSchema, TensorProtoSchema } from "onnx-buf";
import { UserError } from "../core/errors.js";
import type { Padding } from "../core/kernel.js";
import { type Shape, showShape } from "../core/shape.js";
import { version } from "../core/version.js";
import type { Normalization } from "../data/index.js";
import {
  BatchNorm2d,
  Conv2d,
  Dropout,
  Linear,
  LocalResponseNorm,
  type Module,
  Residual,
  Sequential,
} from "../nn/index.js";
import { convGeometry } from "../ops/conv.js";
import { type Pool2dOptions, windowGeometry } from "../ops/pool.js";
import { type Tensor, tensor } from "../tensor/tensor.js";

/** The version of ONNX's operators that files ask for: ONNX 1.12, read by ONNX Runtime since 1.12. */
export const onnxOpset = 17;
const irVersion = 8n;
/** A protobuf message ends here; larger networks would need ONNX's external data. */
const maximumBytes = 2 ** 31 - 2 ** 20;

export interface OnnxOptions {
  /** What the network was trained with; the graph then takes pixels in [0, 1] and normalizes them itself. */
  readonly normalization?: Normalization | null;
  /** Kept in the file's metadata as `classes`, a JSON list. */
  readonly classNames?: readonly string[];
}

/** FLOAT, INT and INTS in turn. */
type Attribute = number | bigint | readonly number[];
type NodeInit = MessageInitShape<typeof NodeProtoSchema>;

/** The operators of a chain, each working on what the last one made. */
class Chain {
  readonly nodes: NodeInit[] = [];
  /** The value that the next one works on; a way that goes beside others begins where it is set back. */
  last = "input";

  add(
    path: string,
    opType: string,
    operands: readonly string[] = [],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): void {
    const name = `${path}.${opType}`;
    const attribute = Object.entries(attributes).map(([key, value]) => attributeOf(key, value));
    this.nodes.push({ name, opType, input: [this.last, ...operands], output: [name], attribute });
    this.last = name;
  }

  /** Ends the chain in a value called `output`. */
  finish(): readonly NodeInit[] {
    if (this.nodes.length === 0) this.add("network", "Identity");
    this.nodes.at(-1)!.output = ["output"];
    return this.nodes;
  }
}

/**
 * A network for prediction as an ONNX file's bytes: `input` [batch, ...inputShape] to `output` [batch, ...], float32,
 * any batch, operator set 17, parameters under PyTorch's names, dropout left out. Throws a UserError that names a
 * layer which ONNX export does not know by its index, and where the parameters exceed a protobuf message (2 GiB).
 */
export async function encodeOnnx(
  net: Sequential,
  options: OnnxOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  if (4 * net.parameterCount() > maximumBytes) {
    throw new UserError(
      `a network of ${net.parameterCount().toLocaleString("en-US")} parameters does not fit into one ONNX file, ` +
        "which holds 2 GiB: save it as safetensors",
    );
  }
  const { normalization, classNames } = options;
  const chain = new Chain();
  const constants = new Map<string, Tensor>();
  if (normalization) {
    constants.set("input.mean", tensor([normalization.mean], []));
    constants.set("input.std", tensor([normalization.std], []));
    chain.add("input", "Sub", ["input.mean"]);
    chain.add("input", "Div", ["input.std"]);
  }
  await addLayers(chain, net, "", net.inputShape);
  for (const [name, one] of net.namedState()) constants.set(name, one);

  // Loaded here: whoever exports nothing need not wait for them.
  const [{ create, toBinary }, { ModelProtoSchema }] = await Promise.all([
    import("@bufbuild/protobuf"),
    import("onnx-buf"),
  ]);
  const model = create(ModelProtoSchema, {
    irVersion,
    opsetImport: [{ domain: "", version: BigInt(onnxOpset) }],
    producerName: "flybrick",
    producerVersion: version,
    graph: {
      name: "network",
      node: [...chain.finish()],
      initializer: await Promise.all([...constants].map(([name, one]) => initializerOf(name, one))),
      input: [
        {
          ...valueInfo("input", net.inputShape),
          docString: normalization ? "pixels in [0, 1]; the graph normalizes them" : "",
        },
      ],
      output: [valueInfo("output", net.outputShape(net.inputShape))],
    },
    metadataProps: classNames ? [{ key: "classes", value: JSON.stringify(classNames) }] : [],
  });
  return toBinary(ModelProtoSchema, model);
}

async function addLayers(chain: Chain, net: Sequential, prefix: string, input: Shape): Promise<void> {
  let shape = input;
  let index = 0;
  for (const layer of net) {
    await addLayer(chain, layer, `${prefix}${index++}`, shape);
    shape = layer.outputShape(shape);
  }
}

async function addLayer(chain: Chain, layer: Module, path: string, input: Shape): Promise<void> {
  const operands = [...layer.namedState().keys()].map((name) => `${path}.${name}`);
  if (layer instanceof Sequential) await addLayers(chain, layer, `${path}.`, input);
  else if (layer instanceof Residual) await addResidual(chain, layer, path, input);
  else if (layer instanceof BatchNorm2d) {
    chain.add(path, "BatchNormalization", operands, { epsilon: layer.eps });
  } else if (layer instanceof LocalResponseNorm) {
    const { size, alpha, beta, k } = layer.options;
    if (size % 2 === 0 || input.length !== 3)
      throw new UserError(
        `layer ${path} (LocalResponseNorm of size ${size} on ${showShape(input)}) cannot be exported: ` +
          "ONNX has it with an odd size and on [channels, height, width] only",
      );
    chain.add(path, "LRN", [], { size: BigInt(size), alpha, beta, bias: k });
  } else if (layer instanceof Conv2d) {
    const { stride, padding, dilation, groups } = convGeometry(layer.options);
    const attributes = { strides: stride, pads: padsOf(padding), dilations: dilation, group: BigInt(groups) };
    chain.add(path, "Conv", operands, { kernel_shape: layer.weight.shape.slice(2), ...attributes });
  } else if (layer instanceof Linear && input.length === 1) {
    chain.add(path, "Gemm", operands, { transB: 1n });
  } else if (layer instanceof Linear) {
    // Gemm knows matrices only. Runtimes fold the transposition of a constant when they load the file.
    const [weight, ...bias] = operands as [string, ...string[]];
    const transposed = `${weight}.transposed`;
    chain.nodes.push({ name: transposed, opType: "Transpose", input: [weight], output: [transposed] });
    chain.add(path, "MatMul", [transposed]);
    if (bias.length > 0) chain.add(path, "Add", bias);
  } else if (!(layer instanceof Dropout)) {
    switch (layer.name) {
      case "ReLU":
        return chain.add(path, "Relu");
      case "LeakyReLU":
        // What it makes of -1 is its slope.
        return chain.add(path, "LeakyRelu", [], { alpha: -(await layer.forward(tensor([-1])).item()) });
      case "Sigmoid":
      case "Tanh":
        return chain.add(path, layer.name);
      case "Flatten":
        return chain.add(path, "Flatten", [], { axis: 1n });
      case "MaxPool2d":
        return chain.add(path, "MaxPool", [], windowOf(layer));
      case "AvgPool2d":
        return chain.add(path, "AveragePool", [], { ...windowOf(layer), count_include_pad: 1n });
      default:
        throw new UserError(
          `layer ${path} (${layer.name}) has no counterpart in ONNX export: ` +
            "export the layers before it, or save the weights as safetensors",
        );
    }
  }
}

/** Both ways begin at the same value and are added. */
async function addResidual(
  chain: Chain,
  { body, shortcut }: Residual,
  path: string,
  input: Shape,
): Promise<void> {
  const start = chain.last;
  await addLayer(chain, body, `${path}.body`, input);
  const sum = chain.last;
  chain.last = start;
  if (shortcut) await addLayer(chain, shortcut, `${path}.shortcut`, input);
  chain.add(path, "Add", [sum]);
}

function windowOf(layer: Module): Record<string, Attribute> {
  const { options, name } = layer as Module & { options: Pool2dOptions };
  const { kernelSize, stride, padding } = windowGeometry(options, name);
  return { kernel_shape: kernelSize, strides: stride, pads: padsOf(padding) };
}

/** ONNX has all beginnings before all ends. */
function padsOf([top, bottom, left, right]: Padding): readonly number[] {
  return [top, left, bottom, right];
}

function attributeOf(name: string, value: Attribute): MessageInitShape<typeof AttributeProtoSchema> {
  // The numbers of AttributeProto.AttributeType, whose module is loaded only when the file is written.
  if (typeof value === "number") return { name, type: 1, f: value };
  if (typeof value === "bigint") return { name, type: 2, i: value };
  return { name, type: 7, ints: value.map(BigInt) };
}

async function initializerOf(name: string, one: Tensor): Promise<MessageInitShape<typeof TensorProtoSchema>> {
  const { buffer, byteOffset, byteLength } = await one.data();
  const rawData = new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
  return { name, dataType: float32, dims: one.shape.map(BigInt), rawData };
}

function valueInfo(name: string, shape: Shape) {
  const sizes = shape.map((size) => ({ value: { case: "dimValue" as const, value: BigInt(size) } }));
  const batch = { value: { case: "dimParam" as const, value: "batch" } };
  const tensorType = { elemType: float32, shape: { dim: [batch, ...sizes] } };
  return { name, type: { value: { case: "tensorType" as const, value: tensorType } } };
}

/** TensorProto.DataType.FLOAT. */
const float32 = 1;
