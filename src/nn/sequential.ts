import { elementCount, type Shape } from "../core/shape.js";
import { atOneSite } from "../graph/graph.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";

/** A row of the shape table. */
export interface LayerRow {
  readonly layer: string;
  /** With the batch in front. */
  readonly outputShape: Shape;
  readonly parameters: number;
  /** Of the forward pass, for the whole batch. */
  readonly multiplyAdds: number;
  /** Of the output in float32, for the whole batch. */
  readonly outputBytes: number;
}

/** The network that `sequential` makes: iterable over its layers. */
export class Sequential extends Module implements Iterable<Module> {
  override readonly name = "Sequential";
  private readonly children: readonly Module[];

  constructor(
    /** Shape of one example. */
    readonly inputShape: Shape,
    ...layers: readonly Module[]
  ) {
    super();
    this.children = layers;
    this.outputShape(inputShape);
  }

  [Symbol.iterator](): Iterator<Module> {
    return this.children[Symbol.iterator]();
  }

  override namedParameters(): Map<string, Tensor> {
    return new Map(
      this.children.flatMap((layer, i) =>
        [...layer.namedParameters()].map(([name, one]) => [`${i}.${name}`, one] as const),
      ),
    );
  }

  override outputShape(input: Shape): Shape {
    return this.shapes(input).at(-1) ?? input;
  }

  /** Output shape of each layer for one example. Throws a RangeError that names the layer and both numbers. */
  private shapes(input: Shape): Shape[] {
    let shape = input;
    return this.children.map((layer, i) => {
      try {
        shape = layer.outputShape(shape);
      } catch (error) {
        if (error instanceof RangeError) throw new RangeError(`layer ${i}: ${error.message}`);
        throw error;
      }
      return shape;
    });
  }

  override multiplyAdds(input: Shape): number {
    const shapes = [input, ...this.shapes(input)];
    return this.children.reduce((sum, layer, i) => sum + layer.multiplyAdds(shapes[i]!), 0);
  }

  /** The shape table: every layer's output, parameters, multiply-adds and bytes for a batch. */
  layers(batch = 1): LayerRow[] {
    const shapes = [this.inputShape, ...this.shapes(this.inputShape)];
    return this.children.map((layer, i) => ({
      layer: layer.name,
      outputShape: [batch, ...shapes[i + 1]!],
      parameters: layer.parameterCount(),
      multiplyAdds: batch * layer.multiplyAdds(shapes[i]!),
      outputBytes: 4 * batch * elementCount(shapes[i + 1]!),
    }));
  }

  override train(on = true): this {
    for (const layer of this.children) layer.train(on);
    return super.train(on);
  }

  protected override compute(x: Tensor): Tensor {
    return atOneSite(() => this.children.reduce((value, layer) => layer.forward(value), x));
  }
}

/**
 * Layers one after the other, for examples of `inputShape` (the batch left out). Throws a RangeError that names
 * the first layer whose input does not fit, and both numbers.
 */
export function sequential(inputShape: Shape, ...layers: readonly Module[]): Sequential {
  return new Sequential(inputShape, ...layers);
}
