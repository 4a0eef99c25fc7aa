import { input } from "../core/expression.js";
import { denseStrides } from "../core/shape.js";
import {
  isWhole,
  type LOperand,
  type LOutput,
  type LStep,
  type LValue,
  operandsOf,
  scalarType,
} from "./lowered.js";

/**
 * Puts steps in the order they run: recorded order as far as data allow, and every writer of a variable after
 * the last reader of its old value. Where that cannot be (two variables swapped, a variable read at other
 * places than it is written), the new value goes to a temporary first and is copied last.
 */
export function order(steps: readonly LStep[]): LStep[] {
  const all = [...steps];
  for (const step of steps) divert(all, step, (o) => !updatesInPlace(step, o));
  for (;;) {
    const { sorted, stuck } = schedule(all);
    if (!stuck) return sorted;
    divert(all, stuck, () => true);
  }
}

/** A step may overwrite a variable that it reads only element by element at the same place. */
function updatesInPlace(step: LStep, output: LOutput): boolean {
  const old = output.value.overwrites;
  if (!old) return true;
  const reads = (operand: LStep["inputs"][number]): boolean =>
    operand.kind === "value" && operand.value === old;
  return !step.inputs.some(reads) && step.extras.filter(reads).every(isWhole);
}

/**
 * Redirects a step's variable writes (those that `which` names) to temporaries. Whoever reads the new value reads
 * the temporary, so that nothing waits for the copies, which run last.
 */
function divert(all: LStep[], step: LStep, which: (output: LOutput) => boolean): void {
  for (const output of step.outputs) {
    const { value } = output;
    if (!value.overwrites || !which(output)) continue;
    const temporary: LValue = {
      id: -1 - value.id,
      dtype: value.dtype,
      shape: value.shape,
      strides: denseStrides(value.shape),
      external: null,
      overwrites: null,
    };
    const redirect = (operand: LOperand): LOperand =>
      operand.kind === "value" && operand.value === value ? { ...operand, value: temporary } : operand;
    for (const one of all) {
      one.inputs = one.inputs.map(redirect);
      one.extras = one.extras.map(redirect);
    }
    const from = { kind: "value", value: temporary, views: [] } as const;
    all.push({
      order: Number.MAX_SAFE_INTEGER,
      kernel: { kind: "pointwise" },
      shape: value.shape,
      inputs: [],
      pre: null,
      extras: [from],
      outputs: [{ value, views: [], expr: input(0, scalarType(from)) }],
    });
    step.outputs = step.outputs.map((o) => (o === output ? { ...o, value: temporary } : o));
  }
}

/** Kahn's algorithm by recording order; `stuck` is a writer that waits for a reader that waits for it. */
function schedule(steps: readonly LStep[]): { sorted: LStep[]; stuck: LStep | null } {
  const writers = new Map<LValue, LStep[]>();
  const readers = new Map<LValue, LStep[]>();
  for (const step of steps) {
    for (const o of step.outputs) writers.set(o.value, [...(writers.get(o.value) ?? []), step]);
    for (const one of operandsOf(step))
      if (one.kind === "value") readers.set(one.value, [...(readers.get(one.value) ?? []), step]);
  }
  const before = new Map<LStep, Set<LStep>>(steps.map((step) => [step, new Set()]));
  const after = new Map<LStep, LStep[]>(steps.map((step) => [step, []]));
  const edge = (first: LStep, second: LStep): void => {
    if (first === second || before.get(second)!.has(first)) return;
    before.get(second)!.add(first);
    after.get(first)!.push(second);
  };
  for (const [value, list] of writers) {
    list.forEach((writer, i) => {
      if (i > 0) edge(list[i - 1]!, writer);
    });
    for (const reader of readers.get(value) ?? []) edge(list[list.length - 1]!, reader);
    if (value.overwrites)
      for (const reader of readers.get(value.overwrites) ?? [])
        for (const writer of list) edge(reader, writer);
  }
  const rank = new Map(steps.map((step, i) => [step, i]));
  const ready = steps.filter((step) => before.get(step)!.size === 0);
  const sorted: LStep[] = [];
  while (ready.length > 0) {
    let best = 0;
    for (let i = 1; i < ready.length; i++) {
      const difference =
        ready[i]!.order - ready[best]!.order || rank.get(ready[i]!)! - rank.get(ready[best]!)!;
      if (difference < 0) best = i;
    }
    const [step] = ready.splice(best, 1) as [LStep];
    sorted.push(step);
    for (const next of after.get(step)!) {
      before.get(next)!.delete(step);
      if (before.get(next)!.size === 0) ready.push(next);
    }
  }
  if (sorted.length === steps.length) return { sorted, stuck: null };
  const waiting = steps.filter(
    (step) => before.get(step)!.size > 0 && step.outputs.some((o) => o.value.overwrites),
  );
  return { sorted, stuck: waiting[0]! };
}
