import type { Multiply, Subtract } from "./arithmetic.js";
import type { Shape } from "./shape.js";

/**
 * Shapes as types. A size that the compiler does not know is `number`; a shape whose rank it does not know is
 * `any`, so that it goes wherever a known one is asked for. What does not fit becomes a sentence, a string literal
 * type, in the words of the RangeError that the same mistake throws.
 */

// biome-ignore lint/suspicious/noExplicitAny: what is not known must be assignable to what is, and back
export type Unknown = any;

/** Whether not even the number of axes is known. */
export type IsUnknown<S> = S extends Shape ? (number extends S["length"] ? true : false) : true;

/** A shape to read: `Shape` where it is not known. */
export type Known<S extends Shape> = 0 extends 1 & S ? Shape : S;

/** A shape as it is kept: unknown, or sizes that hover text shows without `readonly`. */
export type Exact<S extends Shape> = IsUnknown<S> extends true ? Unknown : [...S];

/** Examples of a shape behind a batch axis. */
export type Batched<S extends Shape> = IsUnknown<S> extends true ? Unknown : [number, ...S];

/** Whether two shapes can be the same. */
export type MayBeSame<A, B> = true extends IsUnknown<A> | IsUnknown<B>
  ? true
  : A extends readonly [infer X, ...infer RestA]
    ? B extends readonly [infer Y, ...infer RestB]
      ? MayEqual<X, Y> extends true
        ? MayBeSame<RestA, RestB>
        : false
      : false
    : B extends readonly []
      ? true
      : false;

/** `T`, or the sentence that says why it does not fit. */
export type Checked<Result, T> = 0 extends 1 & Result ? T : Result extends string ? NoInfer<Result> : T;

/** The result if it is a shape, unknown if it is a sentence. */
export type ShapeOf<Result> = NoInfer<Result> extends infer R extends Shape ? R : Unknown;

/** `[1, number, 28]`. */
export type Show<S> = IsUnknown<S> extends true ? "[...]" : `[${Join<S>}]`;

type Join<S> = S extends readonly [infer First extends number, ...infer Rest extends Shape]
  ? Rest extends readonly []
    ? ShowSize<First>
    : `${ShowSize<First>}, ${Join<Rest>}`
  : "";

/** A size in a sentence. */
export type ShowSize<N extends number> = number extends N ? "number" : `${N}`;

/** Product of the sizes. */
export type ElementCount<S, Count extends number = 1> = S extends readonly [
  infer First extends number,
  ...infer Rest extends Shape,
]
  ? ElementCount<Rest, Multiply<Count, First>>
  : S extends readonly []
    ? Count
    : number;

/** Whether two sizes can be the same number. */
export type MayEqual<A, B> = [A] extends [B] ? true : [B] extends [A] ? true : false;

/** The shape that both operands broadcast to, or a sentence: the type of `broadcastShapes`. */
export type Broadcast<A, B, What extends string> = true extends IsUnknown<A> | IsUnknown<B>
  ? Unknown
  : FromLast<A, B> extends infer Result extends Shape
    ? Result
    : `${What}: shapes ${Show<A>} and ${Show<B>} do not broadcast; sizes must be equal or 1, counted from the last axis`;

type FromLast<A, B, Out extends Shape = []> = A extends readonly [
  ...infer RestA extends Shape,
  infer X extends number,
]
  ? B extends readonly [...infer RestB extends Shape, infer Y extends number]
    ? [Wider<X, Y>] extends [never]
      ? null
      : FromLast<RestA, RestB, [Wider<X, Y>, ...Out]>
    : [...RestA, X, ...Out]
  : B extends Shape
    ? [...B, ...Out]
    : never;

type Wider<X extends number, Y extends number> = X extends 1
  ? Y
  : Y extends 1
    ? X
    : number extends X
      ? Y
      : number extends Y
        ? X
        : X extends Y
          ? X
          : never;

/** `"0"`, `"1"`, ...: the key of an axis, which counts from the end if negative; or a sentence, as in `normalizeAxis`. */
export type AxisKey<Axis extends number, S, What extends string> = S extends Shape
  ? `${Axis}` extends keyof S
    ? `${Axis}`
    : `${Axis}` extends `-${infer Back extends number}`
      ? [Subtract<S["length"], Back>] extends [never]
        ? NoAxis<Axis, S, What>
        : `${Subtract<S["length"], Back>}`
      : NoAxis<Axis, S, What>
  : never;

type NoAxis<
  Axis extends number,
  S extends Shape,
  What extends string,
> = `${What}: axis ${Axis} is not an axis of a tensor with ${S["length"]} dimensions`;
