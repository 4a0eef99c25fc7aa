import { elementCount, type Shape, sameShape, showShape } from "../core/shape.js";
import type { Batched, Known, MayBeSame, Show, Unknown } from "../core/shape_types.js";
import { atOneSite } from "../graph/graph.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module, within } from "./module.js";
import type { ShapeRule, Walk } from "./shape_rule.js";

interface SequentialShape<Input extends Shape, Output extends Shape> extends ShapeRule {
  readonly output: MayBeSame<this["input"], Input> extends true
    ? Output
    : `Sequential expects ${Show<Input>} but receives ${Show<this["input"]>}`;
}

/** A row of the shape table. */
export interface LayerRow<OutputShape extends Shape = Shape> {
  readonly layer: string;
  /** With the batch in front. */
  readonly outputShape: OutputShape;
  readonly parameters: number;
  /** Of the forward pass, for the whole batch. */
  readonly multiplyAdds: number;
  /** Of the output in float32, for the whole batch. */
  readonly outputBytes: number;
}

/** One row a layer; the last one's shape is the network's, which the network's type knows. */
type Rows<Batch extends number, Output extends Shape> = readonly [
  ...LayerRow<readonly [Batch, ...number[]]>[],
  LayerRow<readonly [Batch, ...Known<Output>]>,
];

/** The network that `sequential` makes: iterable over its layers. */
export class Sequential<Input extends Shape = Unknown, Output extends Shape = Unknown>
  extends Module
  implements Iterable<Module>
{
  declare readonly "~shapes": SequentialShape<Input, Output>;
  override readonly name = "Sequential";
  private readonly children: readonly Module[];
  /** After each layer. */
  private readonly shapes: readonly Shape[];

  constructor(
    /** Shape of one example. */
    readonly inputShape: Readonly<Known<Input>>,
    ...layers: readonly Module[]
  ) {
    super();
    this.children = layers;
    this.shapes = this.walk();
  }

  [Symbol.iterator](): Iterator<Module> {
    return this.children[Symbol.iterator]();
  }

  override namedChildren(): Map<string, Module> {
    return new Map(this.children.map((layer, i) => [`${i}`, layer]));
  }

  /** Shape of an example's output. Throws a RangeError on another input than the network was made for. */
  override outputShape(input: Shape = this.inputShape): Readonly<Known<Output>> {
    this.requireInput(input);
    return (this.shapes.at(-1) ?? input) as Known<Output>;
  }

  /** Output shape of each layer for one example. Throws a RangeError that names the layer and both numbers. */
  private walk(): Shape[] {
    let shape: Shape = this.inputShape;
    return this.children.map((layer, i) => {
      shape = within(`layer ${i}`, () => layer.outputShape(shape));
      return shape;
    });
  }

  override multiplyAdds(_input?: Shape): number {
    return this.layers().reduce((sum, row) => sum + row.multiplyAdds, 0);
  }

  /** The shape table: every layer's output, parameters, multiply-adds and bytes for a batch. */
  layers<Batch extends number = 1>(batch = 1 as Batch): Rows<Batch, Output> {
    const rows: LayerRow[] = this.children.map((layer, i) => ({
      layer: layer.name,
      outputShape: [batch, ...this.shapes[i]!],
      parameters: layer.parameterCount(),
      multiplyAdds: batch * layer.multiplyAdds(this.shapes[i - 1] ?? this.inputShape),
      outputBytes: 4 * batch * elementCount(this.shapes[i]!),
    }));
    return rows as unknown as Rows<Batch, Output>;
  }

  private requireInput(input: Shape): void {
    if (!sameShape(input, this.inputShape))
      throw new RangeError(
        `Sequential expects ${showShape(this.inputShape)} but receives ${showShape(input)}`,
      );
  }

  /** x [batch, ...inputShape] to [batch, ...outputShape()]. Throws a RangeError on examples of another shape. */
  override forward(x: Tensor<Batched<Input>>): Tensor<Batched<Output>, "f32"> {
    return super.forward(x);
  }

  protected override compute(x: Tensor): Tensor {
    this.requireInput(x.shape.slice(1));
    return atOneSite(() => this.children.reduce((value, layer) => layer.forward(value), x));
  }
}

/**
 * Layers one after the other, for examples of `inputShape` (the batch left out). Throws a RangeError that names
 * the first layer whose input does not fit, and both numbers.
 */
export function sequential<const Input extends Shape, Layers extends readonly Module[]>(
  inputShape: Input,
  ...layers: Fitting<Input, Layers>
): Sequential<[...Input], OutputOf<Input, Layers>> {
  return new Sequential<Unknown, OutputOf<Input, Layers>>(inputShape, ...(layers as readonly Module[]));
}

type Fitting<Input extends Shape, Layers extends readonly Module[]> =
  Walk<Input, Layers> extends { readonly layers: infer Marked extends readonly unknown[] } ? Marked : Layers;

type OutputOf<Input extends Shape, Layers extends readonly Module[]> =
  Walk<Input, Layers> extends { readonly output: infer Output extends Shape } ? Output : Unknown;
