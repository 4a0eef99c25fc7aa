import { inputsOf } from "../../core/expression.js";
import type { Operand, Step, ValueOperand } from "../../core/plan.js";
import { renderWgsl } from "../../render/wgsl.js";
import { functionsFor } from "../../render/wgsl_functions.js";
import { coordinates, indexText } from "./indices.js";
import { type Layout, type Part, type Range, rangeKey } from "./layout.js";

export type WgslType = "f32" | "i32" | "u32";

/** What a kernel's template adds: functions, the body of `main`, and how many workgroups of how many threads. */
export interface Kernel {
  readonly functions: string;
  /** Statements of `main`; `group` is the workgroup's number, `lane` the thread's within it. */
  readonly body: string;
  readonly threads: number;
  readonly workgroups: number;
  /** Whether `subgroup`, `subgroups`, `subgroup_lane` and `subgroup_lanes` are used: numbers and sizes within the workgroup. */
  readonly subgroups?: boolean;
}

/**
 * A step as it is dispatched, by its kernel's template or by one of its `own`. With `splits` > 1 its first axis is the
 * split, each of which sums its share.
 */
export interface Launch {
  readonly step: Step;
  readonly splits: number;
  readonly own?: (frame: Frame) => Kernel;
}

/** One dispatch: its WGSL, and what it binds in the order of its bindings. */
export interface Shader {
  readonly code: string;
  readonly ranges: readonly Range[];
  /** Whether the run's scalars are bound, behind the ranges. */
  readonly usesScalars: boolean;
  readonly workgroups: readonly [x: number, y: number];
}

interface Bound {
  readonly name: string;
  readonly range: Range;
  /** The array's element type; `atomic` where bytes are written, since four share a word. */
  readonly element: WgslType | "atomic";
}

/**
 * What all kernels share: the bindings, functions that read and write values, and `finish`, which takes an element's
 * cores through the step's expressions to memory. Everything is bound `read_write`: WebGPU forbids a buffer that is
 * read-only and writable in one dispatch, but not two writable ranges of one buffer that do not overlap.
 */
export class Frame {
  private readonly bounds = new Map<string, Bound>();
  private readonly accessors = new Map<string, string>();
  /** Values by number within the step, so that equal steps have equal texts. */
  private readonly numbers = new Map<number, number>();
  private usesScalars = false;

  constructor(
    readonly step: Step,
    readonly layout: Layout,
  ) {
    const types = new Map<string, { range: Range; types: Set<WgslType>; atomic: boolean }>();
    const note = (operand: Operand, isTarget: boolean): void => {
      if (operand.kind !== "value") return;
      for (const { range } of layout.parts(operand.value)) {
        const key = rangeKey(range);
        const entry = types.get(key) ?? { range, types: new Set<WgslType>(), atomic: false };
        entry.types.add(operand.dtype === "u8" ? "u32" : operand.dtype);
        entry.atomic ||= isTarget && operand.dtype === "u8";
        types.set(key, entry);
      }
    };
    for (const operand of [...step.inputs, ...step.extras]) note(operand, false);
    for (const { target } of step.outputs) note(target, true);
    for (const [key, entry] of types) {
      const [only = "u32", other] = entry.types;
      const element = entry.atomic ? "atomic" : other ? "u32" : only;
      this.bounds.set(key, { name: `b${this.bounds.size}`, range: entry.range, element });
    }
  }

  /** WGSL for the element of an operand at an index into its memory, in the operand's own type. */
  element(operand: Operand, index: string): string {
    if (operand.kind === "iota") return `(${index})`;
    if (operand.kind === "scalar") {
      this.usesScalars = true;
      const word = `scalars[${operand.slot >> 2}].${"xyzw"[operand.slot & 3]}`;
      return operand.type === "u32" ? word : `bitcast<${operand.type}>(${word})`;
    }
    return `${this.reader(operand)}(${index})`;
  }

  /** The element as a float. */
  float(operand: Operand, index: string): string {
    const text = this.element(operand, index);
    const type = typeOf(operand);
    // A u32 counts as i32 when it becomes a float, as on the other devices.
    return type === "f32" ? text : type === "i32" ? `f32(${text})` : `f32(bitcast<i32>(${text}))`;
  }

  /** The element as an i32. */
  whole(operand: Operand, index: string): string {
    const text = this.element(operand, index);
    const type = typeOf(operand);
    return type === "i32" ? text : type === "u32" ? `bitcast<i32>(${text})` : `i32_from_f32(${text})`;
  }

  /** WGSL that puts `value`, of the target's own type, at an index into its memory. */
  store(target: ValueOperand, index: string, value: string): string {
    return `${this.writer(target)}(${index}, ${value});`;
  }

  /** `fn finish(c0, c1, ..., core0, ...)`: all outputs of one element are computed before one is stored. */
  finish(cores: readonly WgslType[]): string {
    const { shape, extras, outputs } = this.step;
    const at = coordinates(shape.length);
    const exprs = outputs.map(({ expr }) => expr);
    const block = renderWgsl(exprs);
    const parameters = [...at.map((name) => `${name}: u32`), ...cores.map((type, i) => `core${i}: ${type}`)];
    const lines = inputsOf(exprs).map((i) => {
      const operand = extras[i]!;
      return `let in${i} = ${this.element(operand, operandIndex(operand, at))};`;
    });
    lines.push(...block.statements);
    outputs.forEach(({ target, expr }, i) => {
      const result = block.results[i]!;
      const value = expr.type === "bool" ? `select(0i, 1i, ${result})` : result;
      const type = expr.type === "bool" ? "i32" : expr.type;
      lines.push(this.store(target, indexText(at, target), converted(value, type, target)));
    });
    return `fn finish(${parameters.join(", ")}) {\n${lines.join("\n")}\n}\n`;
  }

  /** The whole dispatch. */
  shader(kernel: Kernel, maxPerDimension: number): Shader {
    const { functions, body, threads, workgroups, subgroups = false } = kernel;
    const rows = Math.ceil(workgroups / maxPerDimension);
    const columns = Math.ceil(workgroups / rows);
    const group = rows === 1 ? "workgroup.x" : `workgroup.y * ${columns}u + workgroup.x`;
    const main = `@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32${subgroups ? subgroupBuiltins : ""}) {
let group = ${group};${rows === 1 ? "" : `\nif (group >= ${workgroups}u) { return; }`}
${body}
}
`;
    const own = [...this.accessors.values()].join("") + functions + main;
    const bounds = [...this.bounds.values()];
    const declarations = bounds.map(
      ({ name, element }, i) =>
        `@group(0) @binding(${i}) var<storage, read_write> ${name}: array<${element === "atomic" ? "atomic<u32>" : element}>;\n`,
    );
    if (this.usesScalars)
      declarations.push(
        `@group(0) @binding(${bounds.length}) var<uniform> scalars: array<vec4<u32>, ${scalarRows(this.step)}>;\n`,
      );
    return {
      code:
        (subgroups ? "enable subgroups;\nrequires subgroup_id;\n" : "") +
        declarations.join("") +
        functionsFor(own) +
        own,
      ranges: bounds.map(({ range }) => range),
      usesScalars: this.usesScalars,
      workgroups: [columns, rows],
    };
  }

  private numberOf(value: number): number {
    const known = this.numbers.get(value) ?? this.numbers.size;
    this.numbers.set(value, known);
    return known;
  }

  private reader({ value, dtype }: ValueOperand): string {
    const name = `v${this.numberOf(value)}`;
    if (this.accessors.has(name)) return name;
    const parts = this.layout.parts(value);
    const type = dtype === "u8" ? "i32" : dtype;
    const one = (part: Part, word: string): string => {
      const { name: array, element } = this.bounds.get(rangeKey(part.range))!;
      const place = `${array}[${shifted(word, part.firstWord)}]`;
      const held = element === "atomic" ? "u32" : element;
      const text = element === "atomic" ? `atomicLoad(&${place})` : place;
      if (dtype === "u8")
        return `bitcast<i32>((${held === "u32" ? text : `bitcast<u32>(${text})`} >> ((i & 3u) * 8u)) & 255u)`;
      return held === type ? text : `bitcast<${type}>(${text})`;
    };
    const body = chain(
      parts,
      dtype === "u8" ? "(i >> 2u)" : "i",
      (part, word) => `return ${one(part, word)};`,
    );
    this.accessors.set(name, `fn ${name}(i: u32) -> ${type} {\n${body}\n}\n`);
    return name;
  }

  private writer({ value, dtype }: ValueOperand): string {
    const name = `put${this.numberOf(value)}`;
    if (this.accessors.has(name)) return name;
    const type = dtype === "u8" ? "i32" : dtype;
    const one = (part: Part, word: string): string => {
      const { name: array, element } = this.bounds.get(rangeKey(part.range))!;
      const place = `${array}[${shifted(word, part.firstWord)}]`;
      if (dtype === "u8") {
        // Two steps, each of which touches this byte alone: nobody else writes it.
        return `atomicAnd(&${place}, ~(255u << ((i & 3u) * 8u))); atomicOr(&${place}, (bitcast<u32>(x) & 255u) << ((i & 3u) * 8u)); return;`;
      }
      if (element === "atomic") return `atomicStore(&${place}, bitcast<u32>(x)); return;`;
      return `${place} = ${element === type ? "x" : `bitcast<${element}>(x)`}; return;`;
    };
    const body = chain(this.layout.parts(value), dtype === "u8" ? "(i >> 2u)" : "i", one);
    this.accessors.set(name, `fn ${name}(i: u32, x: ${type}) {\n${body}\n}\n`);
    return name;
  }
}

const subgroupBuiltins = `, @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32, @builtin(subgroup_invocation_id) subgroup_lane: u32, @builtin(subgroup_size) subgroup_lanes: u32`;

/** The type an operand has inside expressions. */
export function typeOf(operand: Operand): WgslType {
  if (operand.kind === "iota") return "u32";
  if (operand.kind === "scalar") return operand.type;
  return operand.dtype === "f32" ? "f32" : "i32";
}

/** Where an operand's element lies, by the coordinates of its shape. */
export function operandIndex(operand: Operand, at: readonly string[]): string {
  return operand.kind === "scalar" ? "0u" : indexText(at, operand);
}

/** A result in the type that its target holds. */
function converted(value: string, type: WgslType, { dtype }: ValueOperand): string {
  const wanted = dtype === "f32" ? "f32" : "i32";
  if (type === wanted) return value;
  if (wanted === "f32") return type === "i32" ? `f32(${value})` : `f32(bitcast<i32>(${value}))`;
  return type === "u32" ? `bitcast<i32>(${value})` : `i32_from_f32(${value})`;
}

function shifted(word: string, by: number): string {
  return by === 0 ? word : `${word} + ${by}u`;
}

/** Picks the part that a word lies in. */
function chain(parts: readonly Part[], word: string, one: (part: Part, word: string) => string): string {
  let before = 0;
  const lines = parts.map((part, k) => {
    const text = one(part, before === 0 ? word : `(${word} - ${before}u)`);
    before += part.words;
    return k < parts.length - 1 ? `if (${word} < ${before}u) { ${text} }` : text;
  });
  return lines.join("\n");
}

/** Rows of four scalars that a step's shader needs to see. */
function scalarRows(step: Step): number {
  const slots = [...step.inputs, ...step.extras].flatMap((one) => (one.kind === "scalar" ? [one.slot] : []));
  return (Math.max(...slots) >> 2) + 1;
}
