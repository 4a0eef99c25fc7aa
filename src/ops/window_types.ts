import type { Add, AllKnown, Divide, IsKnown, Multiply, Subtract } from "../core/arithmetic.js";

/** [rows, columns] of an option that is one number or two; numbers that are not known are `number`. */
export type PairOf<Options, Name extends string, Default extends number = number> = Name extends keyof Options
  ? Both<Options[Name]>
  : [Default, Default];

type Both<Size> = [Size] extends [number]
  ? [Size, Size]
  : [Size] extends [readonly [infer Rows extends number, infer Columns extends number]]
    ? [Rows, Columns]
    : [number, number];

/** [[top, bottom], [left, right]]. */
export type PaddingOf<Options> = "padding" extends keyof Options
  ? Options["padding"] extends readonly [
      infer Rows extends readonly number[],
      infer Columns extends readonly number[],
    ]
    ? [Both<Rows>, Both<Columns>]
    : Both<Options["padding"]> extends [infer Rows, infer Columns]
      ? [[Rows, Rows], [Columns, Columns]]
      : never
  : [[0, 0], [0, 0]];

/** [channels, height, width] after a window has moved over the image, or the sentence that it does not fit. */
export type WindowShape<
  Channels extends number,
  Image extends readonly [number, number],
  Kernel,
  Stride,
  Padding,
  Dilation,
  What extends string,
> = [Kernel, Stride, Padding, Dilation] extends [
  [infer KH extends number, infer KW extends number],
  [infer SH extends number, infer SW extends number],
  [[infer T extends number, infer B extends number], [infer L extends number, infer R extends number]],
  [infer DH extends number, infer DW extends number],
]
  ? [OutputSize<Image[0], KH, SH, T, B, DH, What>, OutputSize<Image[1], KW, SW, L, R, DW, What>] extends [
      infer Height,
      infer Width,
    ]
    ? Height extends number
      ? Width extends number
        ? [Channels, Height, Width]
        : Width
      : Height
    : never
  : never;

/** Type of `outputSize`: how many places a kernel has along an axis, or the sentence that it has none. */
export type OutputSize<
  Size extends number,
  Kernel extends number,
  Stride extends number,
  Before extends number,
  After extends number,
  Dilation extends number,
  What extends string,
> =
  AllKnown<[Size, Kernel, Stride, Before, After, Dilation]> extends true
    ? Reach<Kernel, Dilation> extends infer Span extends number
      ? [Subtract<Add<Add<Size, Before>, After>, Span>] extends [infer Room extends number]
        ? [Room] extends [never]
          ? `${What}: a kernel that spans ${Span} does not fit into ${Size} elements with padding ${Before} and ${After}`
          : Add<Divide<Room, Stride>[0], 1>
        : never
      : never
    : number;

type Reach<Kernel extends number, Dilation extends number> = Dilation extends 1
  ? Kernel
  : Add<Multiply<Dilation, Subtract<Kernel, 1>>, 1>;

/** `T`, or the sentence that says what is wrong with it; `never` says nothing is. */
export type Unless<Problem, T> = [Problem] extends [never] ? T : NoInfer<Problem>;

/** The first of these sentences that is one. */
export type FirstProblem<Problems> = Problems extends [infer First, ...infer Rest]
  ? [First] extends [never]
    ? FirstProblem<Rest>
    : First
  : never;

/** Type of `pair`'s check of an option: the sentence, or never. */
export type SizeProblem<
  Options,
  Name extends string,
  Least extends 0 | 1,
  What extends string,
> = Name extends keyof Options
  ? Options[Name] extends readonly [readonly number[], readonly number[]]
    ? FirstProblem<
        [
          CountProblem<Options[Name][0], Least, `${What} ${Name}`>,
          CountProblem<Options[Name][1], Least, `${What} ${Name}`>,
        ]
      >
    : CountProblem<Options[Name], Least, `${What} ${Name}`>
  : never;

type CountProblem<Size, Least extends 0 | 1, What extends string> = Size extends number
  ? IsCount<Size, Least> extends true
    ? never
    : `${What} is ${Size}; give a whole number of at least ${Least}, or two`
  : Size extends readonly [infer Rows extends number, infer Columns extends number]
    ? [IsCount<Rows, Least>, IsCount<Columns, Least>] extends [true, true]
      ? never
      : `${What} is [${Rows},${Columns}]; give a whole number of at least ${Least}, or two`
    : never;

type IsCount<N extends number, Least extends 0 | 1> = number extends N
  ? true
  : [N, Least] extends [0, 1]
    ? false
    : IsKnown<N>;
