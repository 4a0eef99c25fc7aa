import type { Subtract } from "../core/arithmetic.js";
import type { Shape } from "../core/shape.js";
import type { IsUnknown, MayEqual, Show, ShowSize, Unknown } from "../core/shape_types.js";

/**
 * The type of a layer's `outputShape`, a function on types: `output` in terms of `this["input"]`. It is a shape, or
 * the sentence of the RangeError that is thrown. A layer carries its rule as a property that exists in types only.
 */
export interface ShapeRule {
  readonly input: unknown;
  readonly output: unknown;
}

/** The rule of a layer that says nothing of shapes. */
export interface UnknownShape extends ShapeRule {
  readonly output: Unknown;
}

/** The rule of a layer that keeps shapes. */
export interface SameShape extends ShapeRule {
  readonly output: this["input"];
}

interface Ruled {
  readonly "~shapes": ShapeRule;
}

/** Shape of an example after a layer, or a sentence. */
export type After<Layer extends Ruled, Input extends Shape> = (Layer["~shapes"] & {
  readonly input: Input;
})["output"];

/** Type of `requireChannels`: [channels, height, width], or a sentence. */
export type Image<Input, Layer extends string, Channels extends number, What extends string> =
  IsUnknown<Input> extends true
    ? [Channels, number, number]
    : Input extends readonly [infer Given extends number, number, number]
      ? MayEqual<Given, Channels> extends true
        ? Input
        : `${Layer} expects ${Channels} ${What} but receives ${ShowSize<Given>}`
      : `${Layer} expects [${ShowSize<Channels>}, height, width] but receives ${Show<Input>}`;

/**
 * What `sequential` makes of its layers: `output`, or the layers with a sentence in place of the first that does not
 * fit. Four at a time, since each shorter list of layers is a type of its own.
 */
export type Walk<
  Input extends Shape,
  Layers extends readonly unknown[],
  All extends readonly unknown[] = Layers,
> = Layers extends readonly [
  infer A extends Ruled,
  infer B extends Ruled,
  infer C extends Ruled,
  infer D extends Ruled,
  ...infer Rest,
]
  ? Then<D, Then<C, Then<B, Then<A, Input>>>> extends infer Next extends Shape
    ? Walk<Next, Rest, All>
    : WalkOne<Input, Layers, All>
  : WalkOne<Input, Layers, All>;

type WalkOne<
  Input extends Shape,
  Layers extends readonly unknown[],
  All extends readonly unknown[],
> = Layers extends readonly [infer First extends Ruled, ...infer Rest]
  ? After<First, Input> extends infer Next
    ? 0 extends 1 & Next
      ? WalkOne<Unknown, Rest, All>
      : Next extends string
        ? { readonly layers: MarkedAt<Subtract<All["length"], Layers["length"]>, Next, All> }
        : WalkOne<Next extends Shape ? Next : Unknown, Rest, All>
    : never
  : { readonly output: Layers extends readonly [] ? Input : Unknown };

/** After a further layer; a sentence stays. */
type Then<Layer extends Ruled, Input> = 0 extends 1 & Input
  ? After<Layer, Unknown>
  : Input extends Shape
    ? After<Layer, Input>
    : Input;

type MarkedAt<Index extends number, Sentence extends string, All extends readonly unknown[]> = {
  readonly [I in keyof All]: I extends `${Index}` ? `layer ${Index}: ${Sentence}` : All[I];
};
