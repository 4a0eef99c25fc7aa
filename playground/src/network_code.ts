import * as nn from "flybrick/nn";
import { type Argument, Call, CodeError, type Fields, type Literal, parseNetwork } from "./network_syntax.js";

/** What an option takes; its value is the constructor's to judge. */
type OptionKind = "number" | "size" | "padding" | "boolean";

interface LayerKind {
  /** Names of the leading arguments, each a whole number. */
  readonly numbers: readonly string[];
  readonly options: Readonly<Record<string, OptionKind>>;
  readonly required?: string;
  readonly make: (numbers: readonly number[], options: never) => nn.Module;
}

const window = { kernelSize: "size", stride: "size", padding: "padding" } as const;

const layerKinds: Readonly<Record<string, LayerKind>> = {
  conv2d: {
    numbers: ["inChannels", "outChannels"],
    options: { ...window, dilation: "size", groups: "number", bias: "boolean" },
    required: "kernelSize",
    make: ([i, o], options: nn.Conv2dLayerOptions) => new nn.Conv2d(i!, o!, options),
  },
  linear: {
    numbers: ["inFeatures", "outFeatures"],
    options: { bias: "boolean" },
    make: ([i, o], options) => nn.linear(i!, o!, options),
  },
  maxPool2d: { numbers: [], options: window, required: "kernelSize", make: (_, o) => nn.maxPool2d(o) },
  avgPool2d: { numbers: [], options: window, required: "kernelSize", make: (_, o) => nn.avgPool2d(o) },
  flatten: { numbers: [], options: {}, make: () => nn.flatten() },
  relu: { numbers: [], options: {}, make: () => nn.relu() },
  leakyRelu: { numbers: [], options: { negativeSlope: "number" }, make: (_, o) => nn.leakyRelu(o) },
  sigmoid: { numbers: [], options: {}, make: () => nn.sigmoid() },
  tanh: { numbers: [], options: {}, make: () => nn.tanh() },
  dropout: { numbers: [], options: { p: "number" }, make: (_, o) => nn.dropout(o) },
  batchNorm2d: {
    numbers: ["channels"],
    options: { eps: "number", momentum: "number" },
    make: ([channels], o) => nn.batchNorm2d(channels!, o),
  },
  localResponseNorm: {
    numbers: [],
    options: { size: "number", alpha: "number", beta: "number", k: "number" },
    make: (_, o) => nn.localResponseNorm(o),
  },
};

/** What may follow `nn.`. */
export const layerNames = [...Object.keys(layerKinds), "sequential", "residual"];

const optionKinds: Readonly<Record<OptionKind, readonly [string, (value: Literal) => boolean]>> = {
  number: ["a number", isNumber],
  size: ["a whole number, or two: [height, width]", (value) => isNumber(value) || isPair(value, isNumber)],
  padding: [
    "a whole number, or two, or [[top, bottom], [left, right]]",
    (value) => isNumber(value) || isPair(value, isNumber) || isPair(value, (side) => isPair(side, isNumber)),
  ],
  boolean: ["true or false", (value) => typeof value === "boolean"],
};

function isNumber(value: Literal): value is number {
  return typeof value === "number";
}

function isPair(value: Literal, isOne: (value: Literal) => boolean): boolean {
  return Array.isArray(value) && value.length === 2 && value.every(isOne);
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

function isFields(value: Argument["value"]): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Call);
}

function show(value: Argument["value"]): string {
  return value instanceof Call ? `nn.${value.name}(...)` : JSON.stringify(value);
}

/** What a RangeError of the library's says, at a place in the text. */
function locate(error: unknown, offset: number): unknown {
  return error instanceof RangeError ? new CodeError(error.message, offset) : error;
}

function layerOf({ value, offset }: Argument): nn.Module {
  if (!(value instanceof Call))
    throw new CodeError(`a layer such as nn.relu() belongs here, not ${show(value)}`, offset);
  if (value.name === "sequential") return sequentialOf(value);
  if (value.name === "residual") return residualOf(value);
  return simpleLayerOf(value);
}

function simpleLayerOf(call: Call): nn.Module {
  const { name, offset } = call;
  if (!Object.hasOwn(layerKinds, name))
    throw new CodeError(`there is no nn.${name}; choose one of ${layerNames.join(", ")}`, call.nameOffset);
  const kind = layerKinds[name]!;
  const numbers = kind.numbers.map((what, k) => {
    const given = call.args[k];
    if (!isWhole(given?.value))
      throw new CodeError(
        `nn.${name}: ${what} is ${given ? show(given.value) : "missing"}; give a whole number of at least 1`,
        given?.offset ?? offset,
      );
    return given.value;
  });
  const [first, surplus] = call.args.slice(numbers.length);
  const options = first ? optionsOf(name, kind, first) : {};
  if (surplus) throw new CodeError(`nn.${name}: there is an argument too many`, surplus.offset);
  if (kind.required && !Object.hasOwn(options, kind.required))
    throw new CodeError(`nn.${name}: ${kind.required} is missing; add { ${kind.required}: 3 }`, offset);
  try {
    return kind.make(numbers, options as never);
  } catch (error) {
    throw locate(error, offset);
  }
}

function optionsOf(name: string, { options }: LayerKind, { value, offset }: Argument): Fields {
  const known = Object.keys(options);
  if (!isFields(value) || known.length === 0)
    throw new CodeError(
      known.length === 0
        ? `nn.${name} takes no ${isFields(value) ? "options" : "further arguments"}, and ${show(value)} is given`
        : `nn.${name}: options in braces belong here, such as { ${known[0]}: ... }, not ${show(value)}`,
      offset,
    );
  for (const [option, given] of Object.entries(value)) {
    if (!Object.hasOwn(options, option))
      throw new CodeError(`nn.${name} has no option ${option}; choose one of ${known.join(", ")}`, offset);
    const [what, isKind] = optionKinds[options[option]!];
    if (!isKind(given))
      throw new CodeError(`nn.${name}: ${option} is ${JSON.stringify(given)}; give ${what}`, offset);
  }
  return value;
}

function residualOf(call: Call): nn.Module {
  const [body, shortcut, surplus] = call.args;
  if (!body) throw new CodeError("nn.residual: the body is missing; give a layer", call.offset);
  if (surplus) throw new CodeError("nn.residual takes a body and a shortcut, and no more", surplus.offset);
  return nn.residual(layerOf(body), shortcut && shortcut.value !== null ? layerOf(shortcut) : null);
}

function sequentialOf(call: Call): nn.Sequential {
  const [shape, ...layers] = call.args;
  if (!shape || !Array.isArray(shape.value) || shape.value.length === 0 || !shape.value.every(isWhole))
    throw new CodeError(
      "nn.sequential begins with the input's shape, such as [1, 28, 28]: whole numbers of at least 1",
      shape?.offset ?? call.offset,
    );
  const modules = layers.map(layerOf);
  try {
    return new nn.Sequential(shape.value as number[], ...modules);
  } catch (error) {
    const number = /^layer (\d+): /.exec((error as Error).message)?.[1];
    throw locate(error, number === undefined ? call.offset : layers[Number(number)]!.offset);
  }
}

/**
 * The network that a text describes: nested `nn` calls with literals, read and never evaluated, made by the library's
 * own constructors. Throws a CodeError that has the library's sentence where sizes do not fit.
 */
export function readNetwork(text: string): nn.Sequential {
  const call = parseNetwork(text);
  if (call.name !== "sequential")
    throw new CodeError(`a network begins with nn.sequential(, not nn.${call.name}(`, call.nameOffset);
  return sequentialOf(call);
}
