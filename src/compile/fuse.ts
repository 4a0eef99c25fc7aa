import { type Expr, input, inputsOf, postorder, substitute } from "../core/expression.js";
import { elementCount, type Shape, sameShape } from "../core/shape.js";
import {
  isWhole,
  type LOperand,
  type LOutput,
  type LStep,
  type LValue,
  operandsOf,
  place,
  scalarType,
} from "./lowered.js";

/** Operands that one fused step may read; beyond it tile registers spill. */
const maxExtras = 16;
const maxTerms = 96;
/** Rows too costly to compute again for every element of a broadcast. */
const costly = new Set([
  "exp",
  "log",
  "pow",
  "sin",
  "cos",
  "tanh",
  "sigmoid",
  "softplus",
  "philox",
  "sqrt",
  "div",
]);

/**
 * Joins steps so that intermediates never reach memory: pointwise into its only reader (a pointwise step or a
 * reduction), then pointwise onto whatever produces its operand or overwrites it. What nobody reads any more is dropped.
 */
export function fuse(steps: LStep[]): LStep[] {
  let list = prune(steps);
  list = prune(inline(list));
  list = prune(ride(list));
  return list;
}

/** Drops outputs that nobody reads and steps without outputs. */
function prune(steps: readonly LStep[]): LStep[] {
  const read = new Set<LValue>();
  const kept: LStep[] = [];
  for (let i = steps.length - 1; i >= 0; i--) {
    const step = steps[i]!;
    step.outputs = step.outputs.filter((o) => o.value.external !== null || read.has(o.value));
    if (step.outputs.length === 0) continue;
    compactExtras(step);
    for (const operand of operandsOf(step)) if (operand.kind === "value") read.add(operand.value);
    kept.push(step);
  }
  return kept.reverse();
}

/** Keeps each distinct extra once, and only those that are read. */
function compactExtras(step: LStep): void {
  const used = inputsOf(step.outputs.map((o) => o.expr));
  const { operands, renumber } = distinct(used.map((i) => step.extras[i]!));
  const to = new Map(used.map((from, k) => [from, renumber[k]!]));
  const rename = (e: Expr): Expr => (e.row === "input" ? input(to.get(e.value)!, e.type) : e);
  step.extras = operands;
  step.outputs = step.outputs.map((o) => ({ ...o, expr: substitute(o.expr, rename) }));
}

function distinct(all: readonly LOperand[]): { operands: LOperand[]; renumber: number[] } {
  const operands: LOperand[] = [];
  const index = new Map<string, number>();
  const renumber = all.map((operand) => {
    const source =
      operand.kind === "value"
        ? `v${operand.value.id}`
        : operand.kind === "scalar"
          ? `s${operand.node}`
          : `i${operand.shape}`;
    const at = place(operand)!;
    const strides = at.strides.map((stride, axis) => (at.shape[axis] === 1 ? 0 : stride));
    const key = `${source} ${strides} ${at.offset}`;
    let found = index.get(key);
    if (found === undefined) {
      found = operands.length;
      index.set(key, found);
      operands.push(operand);
    }
    return found;
  });
  return { operands, renumber };
}

function useCounts(steps: readonly LStep[]): Map<LValue, number> {
  const uses = new Map<LValue, number>();
  for (const step of steps) {
    for (const operand of operandsOf(step)) {
      if (operand.kind === "value") uses.set(operand.value, (uses.get(operand.value) ?? 0) + 1);
    }
  }
  return uses;
}

/** Only numbers, indices and constants go in: computing it again costs less than reading it. */
function isFree(step: LStep): boolean {
  return step.extras.every((operand) => operand.kind !== "value");
}

/** Rules 1 and 4: a pointwise step goes into the pointwise step or the reduction that reads it. */
function inline(steps: LStep[]): LStep[] {
  const uses = useCounts(steps);
  const producers = singleProducers(steps);
  for (const step of steps) {
    if (step.kernel.kind !== "pointwise" && step.kernel.kind !== "reduce") continue;
    const isReduce = step.kernel.kind === "reduce";
    // A producer inlined here may bring operands that can be inlined in turn, but those were done before.
    let operands = isReduce ? step.inputs : step.extras;
    let exprs = isReduce ? [step.pre!] : step.outputs.map((o) => o.expr);
    for (let i = 0; i < operands.length; i++) {
      const operand = operands[i]!;
      if (operand.kind !== "value") continue;
      const producer = producers.get(operand.value);
      if (!producer || producer === step || !mayInline(producer, operand, uses, step)) continue;
      const extras = producer.extras.map((one) => ({ ...one, views: [...one.views, ...operand.views] }));
      if (extras.some((one) => place(one) === null)) continue;
      const offset = operands.length;
      const inner = substitute(producer.outputs[0]!.expr, (e) =>
        e.row === "input" ? input(offset + e.value, e.type) : e,
      );
      const next = exprs.map((expr) =>
        substitute(expr, (e) => (e.row === "input" && e.value === i ? inner : e)),
      );
      const merged = [...operands, ...extras];
      const read = inputsOf(next);
      if (
        distinct(read.map((k) => merged[k]!)).operands.length > maxExtras ||
        postorder(next).length > maxTerms
      )
        continue;
      exprs = next;
      operands = merged;
      for (const one of extras) if (one.kind === "value") uses.set(one.value, (uses.get(one.value) ?? 0) + 1);
      uses.set(operand.value, uses.get(operand.value)! - 1);
    }
    if (isReduce) {
      const read = inputsOf(exprs);
      const { operands: kept, renumber } = distinct(read.map((k) => operands[k]!));
      const to = new Map(read.map((from, k) => [from, renumber[k]!]));
      step.pre = substitute(exprs[0]!, (e) => (e.row === "input" ? input(to.get(e.value)!, e.type) : e));
      step.inputs = kept;
    } else {
      step.extras = operands;
      step.outputs = step.outputs.map((o, k) => ({ ...o, expr: exprs[k]! }));
      compactExtras(step);
    }
  }
  return steps;
}

/** Pointwise steps by their value, where it is the only one and nobody else writes it. */
function singleProducers(steps: readonly LStep[]): Map<LValue, LStep> {
  const producers = new Map<LValue, LStep>();
  const writers = new Map<LValue, number>();
  for (const step of steps)
    for (const o of step.outputs) writers.set(o.value, (writers.get(o.value) ?? 0) + 1);
  for (const step of steps) {
    const [only] = step.outputs;
    if (step.kernel.kind !== "pointwise" || step.outputs.length !== 1 || !only) continue;
    if (only.views.length === 0 && writers.get(only.value) === 1) producers.set(only.value, step);
  }
  return producers;
}

function mayInline(
  producer: LStep,
  operand: LOperand & { kind: "value" },
  uses: Map<LValue, number>,
  reader: LStep,
): boolean {
  const { value, expr } = producer.outputs[0]!;
  if (value.external !== null) return false;
  const free = isFree(producer);
  if (!free && uses.get(value) !== 1) return false;
  // A byte in memory drops high bits; the expression would not.
  if (value.dtype === "u8" && scalarType(operand) === "i32") return false;
  const readerCount = elementCount(place(operand)!.shape);
  const expands = readerCount > elementCount(value.shape);
  if (expands && postorder([expr]).some((e) => costly.has(e.row)) && elementCount(value.shape) > 1)
    return false;
  return reader.kernel.kind === "pointwise" || reader.kernel.kind === "reduce";
}

/**
 * Rule 3: a pointwise step becomes further outputs of the step that makes one of its operands, or that overwrites a
 * variable whose old value it reads.
 */
function ride(steps: LStep[]): LStep[] {
  const list = [...steps];
  for (let i = 0; i < list.length; i++) {
    const original = list[i]!;
    if (original.kernel.kind !== "pointwise") continue;
    const found = findCarrier(original, list);
    if (!found) continue;
    const { carrier, rider } = found;
    const made = new Map(carrier.outputs.map((o) => [o.value, o.expr]));
    const offset = carrier.extras.length;
    const replace = (e: Expr): Expr => {
      if (e.row !== "input") return e;
      const operand = rider.extras[e.value]!;
      const expr = operand.kind === "value" ? made.get(operand.value) : undefined;
      return expr ?? input(offset + e.value, e.type);
    };
    carrier.outputs.push(...rider.outputs.map((o) => ({ ...o, expr: substitute(o.expr, replace) })));
    carrier.extras.push(...rider.extras);
    compactExtras(carrier);
    list.splice(i, 1);
    // The carrier may stand before a step that it now depends on: keep the list in topological order.
    const at = list.indexOf(carrier);
    list.splice(at, 1);
    list.splice(i - 1, 0, carrier);
    restoreOrder(list);
    i = Math.max(-1, i - 2);
  }
  return list;
}

/** A pointwise step over another shape of as many elements; null where its operands or outputs have no strides there. */
function reshaped(step: LStep, shape: Shape): LStep | null {
  if (sameShape(step.shape, shape)) return step;
  if (elementCount(step.shape) !== elementCount(shape)) return null;
  const view = { kind: "reshape", shape } as const;
  const extras = step.extras.map((one) => ({ ...one, views: [...one.views, view] }));
  const outputs = step.outputs.map((one) => ({ ...one, views: [...one.views, view] }));
  if ([...extras, ...outputs.map(target)].some((one) => place(one) === null)) return null;
  return { ...step, shape, extras, outputs };
}

/** Where an output lies, as an operand. */
function target({ value, views }: LOutput): LOperand {
  return { kind: "value", value, views };
}

interface Ride {
  readonly carrier: LStep;
  /** The rider over the carrier's shape. */
  readonly rider: LStep;
}

function findCarrier(original: LStep, list: readonly LStep[]): Ride | null {
  const candidates = new Map<LStep, LStep>();
  for (const [k, operand] of original.extras.entries()) {
    if (operand.kind !== "value") continue;
    const { value } = operand;
    const makers = list.filter((step) => step.outputs.some((o) => o.value === value));
    const overwriters = list.filter((step) => step.outputs.some((o) => o.value.overwrites === value));
    if (makers.length > 1 || overwriters.length > 1) continue;
    for (const step of [...makers, ...overwriters]) {
      const output = step.outputs.find((o) => o.value === value || o.value.overwrites === value)!;
      if (step === original || !isWhole(target(output)) || dropsBits(output)) continue;
      const rider = reshaped(original, step.shape);
      if (rider && isWhole(rider.extras[k]!)) candidates.set(step, rider);
    }
  }
  const ordered = [...candidates].sort(([a], [b]) => list.indexOf(b) - list.indexOf(a));
  const found = ordered.find(([carrier, rider]) => canRide(original, rider, carrier, list));
  return found ? { carrier: found[0], rider: found[1] } : null;
}

/** A byte in memory drops high bits that a rider would see; a gathered byte or a tap number has none. */
function dropsBits(output: LOutput): boolean {
  return output.value.dtype === "u8" && output.expr.row !== "core";
}

function canRide(original: LStep, rider: LStep, carrier: LStep, list: readonly LStep[]): boolean {
  const made = new Set(carrier.outputs.map((o) => o.value));
  for (const operand of rider.extras) {
    if (operand.kind === "value" && made.has(operand.value) && !isWhole(operand)) return false;
  }
  const extras = rider.extras.filter((one) => !(one.kind === "value" && made.has(one.value)));
  if (carrier.extras.length + extras.length > maxExtras) return false;
  if (postorder([...carrier.outputs, ...rider.outputs].map((o) => o.expr)).length > maxTerms) return false;
  if (dependents(original, list).has(carrier)) return false;
  const after = dependents(carrier, list);
  for (const operand of extras) {
    if (operand.kind !== "value") continue;
    if (list.some((step) => after.has(step) && step.outputs.some((o) => o.value === operand.value)))
      return false;
  }
  // A variable's new value may be written only when all readers of the old one can run before.
  for (const output of rider.outputs) {
    const old = output.value.overwrites;
    if (!old) continue;
    if (carrier.inputs.some((one) => one.kind === "value" && one.value === old)) return false;
    if (
      list.some(
        (step) =>
          step !== original &&
          after.has(step) &&
          operandsOf(step).some((one) => one.kind === "value" && one.value === old),
      )
    )
      return false;
  }
  // Writers of parts of one value keep their order.
  return rider.outputs.every((o) =>
    list.every((step) => step === original || step.outputs.every((other) => other.value !== o.value)),
  );
}

/** Steps that need a step's results, through others too. */
function dependents(from: LStep, list: readonly LStep[]): Set<LStep> {
  const values = new Set(from.outputs.map((o) => o.value));
  const found = new Set<LStep>();
  for (const step of list) {
    if (step === from || !operandsOf(step).some((one) => one.kind === "value" && values.has(one.value)))
      continue;
    found.add(step);
    for (const o of step.outputs) values.add(o.value);
  }
  return found;
}

/** Stable topological order, after a step moved. */
function restoreOrder(list: LStep[]): void {
  const writers = new Map<LValue, LStep[]>();
  for (const step of list) {
    for (const o of step.outputs) writers.set(o.value, [...(writers.get(o.value) ?? []), step]);
  }
  const done = new Set<LStep>();
  const sorted: LStep[] = [];
  const visit = (step: LStep): void => {
    if (done.has(step)) return;
    done.add(step);
    for (const operand of operandsOf(step)) {
      if (operand.kind === "value") for (const writer of writers.get(operand.value) ?? []) visit(writer);
    }
    sorted.push(step);
  };
  for (const step of list) visit(step);
  list.splice(0, list.length, ...sorted);
}
