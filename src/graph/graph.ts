import { Branch } from "../core/branch.js";
import type { DType } from "../core/dtype.js";
import type { Expr } from "../core/expression.js";
import type { Kernel, WindowGeometry } from "../core/kernel.js";
import { type Shape, sameShape } from "../core/shape.js";
import { type View, viewShape } from "../core/view.js";
import type { Storage } from "./storage.js";

/** What a node of the recorded graph is; most are kernels of devices, the rest vanishes when lowered. */
export type Operation =
  | Exclude<Kernel, { kind: "pointwise" | "window" }>
  | { readonly kind: "pointwise"; readonly expr: Expr }
  /** `output` 0: the result; 1 (max only): tap numbers. */
  | ({ readonly kind: "window"; readonly op: "max" | "sum"; readonly output: 0 | 1 } & WindowGeometry)
  | { readonly kind: "view"; readonly view: View }
  /** The inputs laid into a tensor of zeros, each from `start` on by `steps`; covered: no zero remains. */
  | {
      readonly kind: "place";
      readonly covered: boolean;
      readonly parts: readonly { readonly starts: readonly number[]; readonly steps: readonly number[] }[];
    }
  /** A value in memory, or host data on its way there. */
  | { readonly kind: "source" }
  /** A number; part of no cache key. */
  | { readonly kind: "scalar" }
  /** The row-major index of each element. */
  | { readonly kind: "iota" }
  /** inputs0 written to a variable. */
  | { readonly kind: "assign" };

export type OperationKind = Operation["kind"];

/** Element types of nodes: u32 occurs in iotas and random seeds only, never in memory. */
export type NodeType = DType | "u32";

/** A recorded operation: shape checked, nothing computed. */
export interface Node {
  readonly id: number;
  readonly operation: Operation;
  /** Interned number of operation, shape and type: what plans are cached by. */
  readonly code: number;
  /** Emptied when the node has a value and its gradient was taken or is not wanted. */
  inputs: readonly Node[];
  readonly shape: Shape;
  readonly dtype: NodeType;
  /** Whether a gradient can flow through to a tensor that wants one. */
  readonly tracked: boolean;
  /** Number of a `scalar`. */
  readonly value: number;
  /** Where the value lies, once it was asked for; an assigned variable's storage from the start. */
  storage: Storage | null;
  /** The storage's version that this node stands for. */
  version: number;
  /** In memory (or about to be, by work already queued). */
  ready: boolean;
  /** Kept as a result by a plan that assigns: the outermost module's output. */
  retained: boolean;
  /** Its gradient was taken. */
  spent: boolean;
  /** The walk that came by last, and the node's number in it: a walk's own notes, cheaper than a map. */
  walk: number;
  place: number;
  /** Where it was recorded, for messages; kept where it matters: at assignments and what reads variables. */
  site: Error | null;
}

const codes = new Branch<number>();
let nextCode = 0;
let nextId = 0;

class RecordedNode implements Node {
  readonly id = nextId++;
  readonly code: number;
  storage: Storage | null = null;
  version = 0;
  ready = false;
  retained = false;
  spent = false;
  walk = 0;
  place = 0;
  site: Error | null;

  constructor(
    readonly operation: Operation,
    public inputs: readonly Node[],
    readonly shape: Shape,
    readonly dtype: NodeType,
    readonly tracked: boolean,
    readonly value: number,
  ) {
    this.code = codeOf(operation, shape, dtype);
    const readsVariable = inputs.some((one) => one.operation.kind === "assign");
    this.site = operation.kind === "assign" || readsVariable ? captureSite() : null;
  }
}

/** Most nodes of a step are pointwise, views or scalars, and text costs time. */
function codeOf(operation: Operation, shape: Shape, dtype: NodeType): number {
  const at = operationAt(codes.to(dtype), operation).along(shape);
  at.value ??= nextCode++;
  return at.value;
}

function operationAt(at: Branch<number>, operation: Operation): Branch<number> {
  const { kind } = operation;
  if (kind === "pointwise") return at.to(kind).to(operation.expr.id);
  if (kind === "scalar" || kind === "source" || kind === "assign" || kind === "matmul") return at.to(kind);
  if (kind !== "view") return at.to(JSON.stringify(operation));
  const { view } = operation;
  if (view.kind === "permute") return at.to(view.kind).along(view.axes);
  return at.to(view.kind === "slice" ? JSON.stringify(view) : view.kind);
}

/** Whether what is recorded now comes from one line of the user's, and the site they share once one is captured. */
let sharing = false;
let shared: Error | null = null;

/** Nodes that `run` records share one site: a call that records for many variables captures frames once. */
export function atOneSite<T>(run: () => T): T {
  if (sharing) return run();
  sharing = true;
  try {
    return run();
  } finally {
    sharing = false;
    shared = null;
  }
}

/** Only the frames, formatted when a message needs them: capturing costs 15 microseconds. */
function captureSite(): Error {
  if (shared) return shared;
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 24;
  const site = new Error();
  Error.stackTraceLimit = limit;
  if (sharing) shared = site;
  return site;
}

/** Records an operation. Tracked if an input is, the result is f32, and `differentiable` is not false. */
export function record(
  operation: Operation,
  inputs: readonly Node[],
  shape: Shape,
  dtype: NodeType,
  options: { tracked?: boolean; value?: number } = {},
): Node {
  const tracked = options.tracked ?? (dtype === "f32" && inputs.some((node) => node.tracked));
  return new RecordedNode(operation, inputs, shape, dtype, tracked, options.value ?? 0);
}

/** Records a view; one that changes nothing, or undoes the permutation before it, is dropped. */
export function recordView(input: Node, view: View): Node {
  const shape = viewShape(view, input.shape);
  if ((view.kind === "reshape" || view.kind === "expand") && sameShape(shape, input.shape)) return input;
  const before = input.operation.kind === "view" ? input.operation.view : null;
  if (view.kind === "permute" && before?.kind === "permute" && input.inputs.length > 0) {
    const axes = view.axes.map((axis) => before.axes[axis]!);
    const [base] = input.inputs as [Node];
    if (axes.every((axis, i) => axis === i) && base.tracked === input.tracked) return base;
  }
  return record({ kind: "view", view }, [input], shape, input.dtype);
}

/** A number as a node: a slot of the plan, so that another number needs no new plan. */
export function scalarNode(value: number, dtype: "f32" | "i32" | "u32"): Node {
  return record({ kind: "scalar" }, [], [], dtype, { value });
}

/** The user's line that a node was recorded at: the first frame outside this package. */
export function siteOf(error: Error | null): string {
  const frames = (error?.stack ?? "").split("\n").slice(1);
  const outside = frames.find(
    (frame) => !/flybrick[\\/](src|dist)|node:internal/.test(frame.replace(packageRoot, "flybrick")),
  );
  return (outside ?? frames[frames.length - 1] ?? "an unknown line").trim().replace(/^at /, "");
}

const packageRoot = import.meta.url
  .replace(/^file:\/\//, "")
  .replace(/[\\/](src|dist)[\\/]graph[\\/]graph\.[jt]s.*$/, "");
