import { call, constant, type Expr, input } from "../core/expression.js";
import { elementCount, type Shape } from "../core/shape.js";
import type { Exact } from "../core/shape_types.js";
import { type Node, record, scalarNode } from "../graph/graph.js";
import { Tensor } from "../tensor/tensor.js";
import { expandNode, pointwise, recordPointwise } from "./pointwise.js";

/**
 * Where random numbers come from: Philox4x32-10 of (element index, draw) under a seed. The same seed and draw
 * give the same numbers on every device, in any order of evaluation.
 */
export interface RandomState {
  seed: number;
  /** Number of the next draw; each random tensor takes one or two. */
  draw: number;
}

const state: RandomState = { seed: 0, draw: 0 };

/** Starts the random numbers anew. Throws a RangeError unless the seed is a whole number of 0 to 2^53 - 1. */
export function manualSeed(seed: number): void {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new RangeError(`seed is ${seed}; give a whole number from 0 to 2^53 - 1`);
  state.seed = seed;
  state.draw = 0;
}

/** Where the random numbers stand: what a checkpoint keeps. */
export function randomState(): RandomState {
  return { ...state };
}

/** Puts the random numbers where `randomState()` found them. */
export function setRandomState(next: RandomState): void {
  Object.assign(state, next);
}

/** Examples `first` to `first + count` of a larger batch. */
export interface ExampleRange {
  readonly first: number;
  readonly count: number;
}

let examples: ExampleRange | null = null;

/**
 * Runs what records the work of a part of a batch. Random numbers whose first axis counts these examples are those that
 * the whole batch has for them, so that it does not matter how it is cut up.
 */
export function drawFor<T>(range: ExampleRange, run: () => T): T {
  const outer = examples;
  examples = range;
  try {
    return run();
  } finally {
    examples = outer;
  }
}

/** Inputs of a draw: index, draw, low and high word of the seed, and where the index starts if not at 0. */
function drawInputs(shape: Shape, draw: number, seed: number): Node[] {
  const index = record({ kind: "iota" }, [], shape, "u32");
  const numbers = [draw, seed % 2 ** 32, Math.floor(seed / 2 ** 32), ...startOf(shape)];
  return [index, ...numbers.map((value) => expandNode(scalarNode(value, "u32"), shape))];
}

/** Nothing where a draw is of no part of a batch. */
function startOf(shape: Shape): number[] {
  if (!examples || examples.first === 0 || shape[0] !== examples.count) return [];
  return [examples.first * elementCount(shape.slice(1))];
}

/** A draw from inputs `first` to `end`. */
function unit(first: number, end: number): Expr {
  const index = input(first, "u32");
  const word = call(
    "philox",
    end - first > 4 ? call("add", index, input(first + 4, "u32")) : index,
    input(first + 1, "u32"),
    input(first + 2, "u32"),
    input(first + 3, "u32"),
  );
  return call("unitFromU32", word);
}

/** Uniform numbers of [0, 1) with 24 random bits. `draw` and `seed` default to the running state. */
export function rand<const S extends Shape>(
  shape: S,
  options: { draw?: number; seed?: number } = {},
): Tensor<Exact<S>, "f32"> {
  const draw = options.draw ?? state.draw++;
  const inputs = drawInputs(shape, draw, options.seed ?? state.seed);
  return new Tensor(recordPointwise(unit(0, inputs.length), inputs, shape));
}

/** Normal numbers of mean 0 and deviation 1 (Box-Muller). */
export function randn<const S extends Shape>(shape: S): Tensor<Exact<S>, "f32"> {
  const first = drawInputs(shape, state.draw++, state.seed);
  const inputs = [...first, ...drawInputs(shape, state.draw++, state.seed)];
  const f = (value: number): Expr => constant(value, "f32");
  const radius = call("sqrt", call("mul", f(-2), call("log", call("sub", f(1), unit(0, first.length)))));
  return new Tensor(
    recordPointwise(
      call("mul", radius, call("cos", call("mul", f(2 * Math.PI), unit(first.length, inputs.length)))),
      inputs,
      shape,
    ),
  );
}

/**
 * Zeroes each element with probability p and scales the rest by 1 / (1 - p) (Srivastava et al., 2014). The mask
 * is a function of its draw, so the backward pass computes it again instead of reading it back.
 */
export function dropout<S extends Shape>(
  x: Tensor<S>,
  p = 0.5,
  options: { draw?: number; seed?: number } = {},
): Tensor<S, "f32"> {
  if (!(p >= 0 && p < 1))
    throw new RangeError(`dropout: p is ${p}; give a probability of at least 0 and below 1`);
  if (p === 0) return x;
  return pointwise("dropout", [x, rand(x.shape, options), p, 1 / (1 - p)], (a, u, threshold, scale) =>
    call("select", call("ge", u, threshold), call("mul", a, scale), constant(0, "f32")),
  );
}
