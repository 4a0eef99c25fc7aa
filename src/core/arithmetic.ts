/**
 * Whole-number arithmetic on literal types, digit by digit, so that 25,088 costs five steps and not 25,088. A number
 * that the compiler does not know, or that is negative or no whole number, makes the result `number`.
 *
 * Inside, a number is a string with the last digit first, as one adds on paper; "" is zero.
 */

/** a + b. */
export type Add<A extends number, B extends number> = B extends 0
  ? A
  : AllKnown<[A, B]> extends true
    ? ToNumber<Reverse<Plus<Digits<A>, Digits<B>>>>
    : number;

/** a - b, never below 0. */
export type Subtract<A extends number, B extends number> = B extends 0
  ? A
  : AllKnown<[A, B]> extends true
    ? Minus<Digits<A>, Digits<B>> extends infer Difference extends string
      ? Difference extends Negative
        ? never
        : ToNumber<Reverse<Difference>>
      : never
    : number;

/** a * b. */
export type Multiply<A extends number, B extends number> = A extends 1
  ? B
  : B extends 1
    ? A
    : AllKnown<[A, B]> extends true
      ? ToNumber<Reverse<Times<Digits<A>, Digits<B>>>>
      : number;

/** Quotient, rounded down, and remainder of a / b. */
export type Divide<A extends number, B extends number> = B extends 1
  ? [A, 0]
  : B extends 0
    ? [number, number]
    : AllKnown<[A, B]> extends true
      ? Over<`${A}`, Digits<B>> extends [infer Quotient extends string, infer Rest extends string]
        ? [ToNumber<Quotient>, ToNumber<Reverse<Rest>>]
        : never
      : [number, number];

/** Whether these numbers are all known. */
export type AllKnown<Numbers extends readonly number[]> = Numbers extends readonly [
  infer First extends number,
  ...infer Rest extends readonly number[],
]
  ? IsKnown<First> extends true
    ? AllKnown<Rest>
    : false
  : true;

/** Whether this is a literal whole number of at least 0. */
export type IsKnown<N extends number> = number extends N
  ? false
  : [Extract<`${N}`, `${string}${"-" | "." | "e" | "f"}${string}`>] extends [never]
    ? true
    : false;

type Digit = "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9";
type Carry = "0" | "1";
type Negative = "-";

/** Sums[a][b]: the last digit of a + b, then the carry. */
type Sums = [
  ["00", "10", "20", "30", "40", "50", "60", "70", "80", "90"],
  ["10", "20", "30", "40", "50", "60", "70", "80", "90", "01"],
  ["20", "30", "40", "50", "60", "70", "80", "90", "01", "11"],
  ["30", "40", "50", "60", "70", "80", "90", "01", "11", "21"],
  ["40", "50", "60", "70", "80", "90", "01", "11", "21", "31"],
  ["50", "60", "70", "80", "90", "01", "11", "21", "31", "41"],
  ["60", "70", "80", "90", "01", "11", "21", "31", "41", "51"],
  ["70", "80", "90", "01", "11", "21", "31", "41", "51", "61"],
  ["80", "90", "01", "11", "21", "31", "41", "51", "61", "71"],
  ["90", "01", "11", "21", "31", "41", "51", "61", "71", "81"],
  ["01", "11", "21", "31", "41", "51", "61", "71", "81", "91"],
];
type Successor = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
type Complement = ["9", "8", "7", "6", "5", "4", "3", "2", "1", "0"];
type Sum<A extends Digit, B extends Digit, C extends Carry> = C extends "1"
  ? Sums[Successor[A]][B]
  : Sums[A][B];

type Digits<N extends number> = Reverse<`${N}`> extends infer S extends string ? TrimEnd<S> : never;

type Reverse<S extends string, Out extends string = ""> = S extends `${infer First}${infer Rest}`
  ? Reverse<Rest, `${First}${Out}`>
  : Out;

type TrimEnd<S extends string> = S extends `${infer Rest}0` ? TrimEnd<Rest> : S;

type TrimStart<S extends string> = S extends `0${infer Rest}` ? TrimStart<Rest> : S;

/** Of digits in the usual order. */
type ToNumber<S extends string> = TrimStart<S> extends `${infer N extends number}` ? N : 0;

type Plus<
  A extends string,
  B extends string,
  C extends Carry = "0",
  Out extends string = "",
> = A extends `${infer X extends Digit}${infer RestA}`
  ? B extends `${infer Y extends Digit}${infer RestB}`
    ? Sum<X, Y, C> extends `${infer D}${infer Next extends Carry}`
      ? Plus<RestA, RestB, Next, `${Out}${D}`>
      : never
    : C extends "0"
      ? `${Out}${A}`
      : Plus<A, "1", "0", Out>
  : C extends "0"
    ? `${Out}${B}`
    : Plus<"1", B, "0", Out>;

/** Adds the nines' complement and one; a carry that is left over says that the difference is not negative. */
type Minus<
  A extends string,
  B extends string,
  C extends Carry = "1",
  Out extends string = "",
> = A extends `${infer X extends Digit}${infer RestA}`
  ? B extends `${infer Y extends Digit}${infer RestB}`
    ? Sum<X, Complement[Y], C> extends `${infer D}${infer Next extends Carry}`
      ? Minus<RestA, RestB, Next, `${Out}${D}`>
      : never
    : Sum<X, "9", C> extends `${infer D}${infer Next extends Carry}`
      ? Minus<RestA, "", Next, `${Out}${D}`>
      : never
  : [B, C] extends ["", "1"]
    ? TrimEnd<Out>
    : Negative;

type Times<
  A extends string,
  B extends string,
  Out extends string = "",
> = B extends `${infer D extends Digit}${infer Rest}`
  ? Times<`0${A}`, Rest, Plus<Out, TimesDigit<A, D>>>
  : Out;

type TimesDigit<A extends string, D extends Digit> = {
  "0": "";
  "1": A;
  "2": Plus<A, A>;
  "3": Plus<TimesDigit<A, "2">, A>;
  "4": TimesDigit<TimesDigit<A, "2">, "2">;
  "5": Plus<TimesDigit<A, "4">, A>;
  "6": TimesDigit<TimesDigit<A, "3">, "2">;
  "7": Plus<TimesDigit<A, "6">, A>;
  "8": TimesDigit<TimesDigit<A, "4">, "2">;
  "9": Plus<TimesDigit<A, "8">, A>;
}[D];

/** Long division: A with the first digit first, to [quotient with the first digit first, rest]. */
type Over<
  A extends string,
  B extends string,
  Rest extends string = "",
  Quotient extends string = "",
> = A extends `${infer D}${infer RestA}`
  ? Fit<TrimEnd<`${D}${Rest}`>, B> extends [infer Q extends string, infer R extends string]
    ? Over<RestA, B, R, `${Quotient}${Q}`>
    : never
  : [Quotient, Rest];

/** How often B, at most nine times, goes into A, and what is left. */
type Fit<A extends string, B extends string, Count extends Digit = "0"> =
  Minus<A, B> extends infer Less extends string
    ? Less extends Negative
      ? [Count, A]
      : Fit<Less, B, Successor[Count] & Digit>
    : never;
