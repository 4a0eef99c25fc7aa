import { call, core, input } from "../../core/expression.js";
import { type Plan, type Step, showPlan, type ValueOperand } from "../../core/plan.js";
import { denseStrides, elementCount, type Shape } from "../../core/shape.js";
import {
  type ChosenVariants,
  candidates,
  type ProblemClass,
  problemClasses,
  usualVariants,
  variantsVersion,
} from "./variants.js";
import { isSoftware, openWebgpu } from "./webgpu.js";

/** Where measurements are kept as text: a file in Node, IndexedDB in a browser. */
export interface TuningStore {
  /** For messages. */
  readonly place: string;
  /** Null where nothing is kept. */
  read(): Promise<string | null>;
  write(text: string): Promise<void>;
  clear(): Promise<void>;
}

/** Seconds that a problem of the class takes with the variants. */
export type Measurer = (problem: ProblemClass, variants: ChosenVariants) => Promise<number>;

export interface TuningOptions {
  store: TuningStore;
  measure: Measurer;
  /** Takes a sentence for the user. */
  say: (text: string) => void;
  /** Measures a software adapter too, and anew what was measured. */
  isAsked: boolean;
}

/**
 * The variants that were measured to be fastest on an adapter: those kept, or measured now and kept. A software adapter
 * is measured only where that is asked for, since its times say little of a GPU and wander. What is kept and cannot be read,
 * or is of another version of the table, is measured anew.
 */
export async function tunedVariants(
  info: GPUAdapterInfo,
  hasSubgroups: boolean,
  { store, measure, say, isAsked }: TuningOptions,
): Promise<ChosenVariants> {
  const key = keyOf(info, hasSubgroups);
  const usual = usualVariants(isSoftware(info));
  const { adapters, problem } = parsed(await store.read().catch((error: Error) => error));
  const isMeasured = isAsked || !isSoftware(info);
  if (problem !== undefined)
    say(`${store.place} ${problem}: ${isMeasured ? "measured anew" : "kernels are chosen as usual"}.`);
  const kept = adapters[key];
  if (!isAsked && isComplete(kept, hasSubgroups)) return kept;
  if (!isMeasured) return usual;
  const found = await fastest(usual, hasSubgroups, measure);
  const text = JSON.stringify({ version: variantsVersion, adapters: { ...adapters, [key]: found } }, null, 2);
  await store.write(text).catch((error: Error) => {
    say(`The fastest kernels are measured again at the next start: ${error.message}`);
  });
  return found;
}

async function fastest(
  usual: ChosenVariants,
  hasSubgroups: boolean,
  measure: Measurer,
): Promise<ChosenVariants> {
  let best = usual;
  for (const problem of problemClasses) {
    let least = Number.POSITIVE_INFINITY;
    let name: ChosenVariants[ProblemClass] = usual[problem];
    for (const candidate of candidates(problem, hasSubgroups)) {
      const seconds = await measure(problem, { ...best, [problem]: candidate });
      if (seconds >= least) continue;
      least = seconds;
      name = candidate;
    }
    best = { ...best, [problem]: name };
  }
  return best;
}

/** All that an adapter says of itself, its driver among it. */
function keyOf({ vendor, architecture, device, description }: GPUAdapterInfo, hasSubgroups: boolean): string {
  return [vendor, architecture, device, description, hasSubgroups ? "subgroups" : "no subgroups"].join(" | ");
}

interface Kept {
  readonly adapters: Readonly<Record<string, unknown>>;
  /** Why nothing kept can be used. */
  readonly problem?: string;
}

function parsed(text: string | null | Error): Kept {
  if (text === null) return { adapters: {} };
  if (text instanceof Error) return { adapters: {}, problem: `cannot be read (${text.message})` };
  try {
    const { version, adapters } = JSON.parse(text) as { version: unknown; adapters: Kept["adapters"] };
    if (version !== variantsVersion) return { adapters: {}, problem: "is of another version of Flybrick" };
    if (typeof adapters === "object" && adapters !== null) return { adapters };
  } catch {}
  return { adapters: {}, problem: "cannot be read" };
}

function isComplete(kept: unknown, hasSubgroups: boolean): kept is ChosenVariants {
  if (typeof kept !== "object" || kept === null) return false;
  return problemClasses.every((problem) =>
    candidates(problem, hasSubgroups).includes((kept as ChosenVariants)[problem]),
  );
}

/** A problem of each class that a training step is made of. */
const problems: Record<ProblemClass, () => Step> = {
  large: () => product(2048, 2048, 512),
  medium: () => product(64, 2304, 512),
  thin: () => product(16, 16_384, 128),
  reduction: () => ({
    kernel: { kind: "reduce", op: "sum", axes: [1] },
    shape: [256, 1],
    inputs: [dense(0, [256, 32_768])],
    pre: call("mul", input(0, "f32"), input(0, "f32")),
    extras: [],
    outputs: [{ target: dense(1, [256, 1]), expr: core(0, "f32") }],
  }),
  convolution: () => ({
    kernel: { kind: "conv2d", stride: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1], groups: 1 },
    shape: [64, 192, 12, 12],
    inputs: [dense(0, [64, 192, 12, 12]), dense(1, [192, 192, 3, 3])],
    pre: null,
    extras: [],
    outputs: [{ target: dense(2, [64, 192, 12, 12]), expr: core(0, "f32") }],
  }),
};

/** A matrix product as a step of its own. */
export function product(m: number, n: number, k: number): Step {
  return {
    kernel: { kind: "matmul" },
    shape: [m, n],
    inputs: [dense(0, [m, k]), dense(1, [k, n])],
    pre: null,
    extras: [],
    outputs: [{ target: dense(2, [m, n]), expr: core(0, "f32") }],
  };
}

function dense(value: number, shape: Shape): ValueOperand {
  return { kind: "value", value, dtype: "f32", shape, strides: denseStrides(shape), offset: 0 };
}

function planOf(step: Step): Plan {
  const operands = [...step.inputs, ...step.outputs.map(({ target }) => target)];
  const body = {
    steps: [step],
    values: operands.map(({ shape }, i) => ({
      dtype: "f32" as const,
      buffer: i + 1,
      byteOffset: 0,
      elements: elementCount(shape),
    })),
    arenaBytes: 0,
    bindings: operands.length,
    scalars: [],
  };
  return { ...body, toString: () => showPlan(body) };
}

/** Runs that are timed together, and how often: the least time counts. */
const runs = 4;
const rounds = 5;

/** Times variants on a GPU, by a clock in milliseconds. */
export function measurerOf(
  gpu: GPUDevice,
  now: () => number = () => performance.now(),
  stepOf: (problem: ProblemClass) => Step = (problem) => problems[problem](),
): Measurer {
  return async (problem, variants) => {
    const device = openWebgpu(gpu, { variants });
    const plan = planOf(stepOf(problem));
    const bindings = plan.values.map(({ elements }) => ({
      buffer: device.allocate(elements * 4),
      byteOffset: 0,
    }));
    const prepared = device.prepare(plan);
    // Compiles, and is not counted.
    await device.run(prepared, bindings, []);
    let least = Number.POSITIVE_INFINITY;
    for (let round = 0; round < rounds; round++) {
      const start = now();
      await Promise.all(Array.from({ length: runs }, () => device.run(prepared, bindings, [])));
      least = Math.min(least, (now() - start) / 1000 / runs);
    }
    for (const { buffer } of bindings) device.free(buffer);
    return least;
  };
}
