import type { Shape } from "../../core/shape.js";
import { decode } from "./indices.js";
import type { Kernel } from "./shader.js";
import { type GemmShape, type ProductVariant, workgroupsOf } from "./variants.js";

/**
 * One factor of a product as WGSL: what an element's place owes to its own axis (m or n) and what to k is worked out
 * apart, so that neither is computed again for every product.
 */
export interface Factor {
  /** Body of `fn(batch: u32, i: u32) -> vec4<i32>`. */
  readonly outer: string;
  /** Body of `fn(<names of the product's inner axes>: u32) -> vec4<i32>`. */
  readonly inner: string;
  /** Body of `fn(o: vec4<i32>, i: vec4<i32>) -> f32`: the element. */
  readonly at: string;
  /** Whether neighbours along k are neighbours in memory. */
  readonly innerIsNear: boolean;
}

/** How b slides: `length` neighbours along n belong together, and are at `o.z` of their place. */
export interface Slide {
  readonly length: number;
  /** Whether a step of the inner axis moves it down instead of up. */
  readonly isBackward: boolean;
}

export interface Gemm extends GemmShape {
  /** The axes that k runs over, the last one fastest. */
  readonly inner: { readonly names: readonly string[]; readonly shape: Shape };
  readonly a: Factor;
  readonly b: Factor;
  /** Where b's elements along n lie side by side and move on by one with the last inner axis, and nobody shares sums. */
  readonly slides?: Slide | undefined;
  /** Statements that store `sum` for `batch`, `split`, `m` and `n`. */
  readonly store: string;
}

export function factorFunctions(
  name: string,
  { outer, inner, at }: Factor,
  names: readonly string[],
): string {
  return `fn ${name}_outer(batch: u32, i: u32) -> vec4<i32> {
${outer}
}
fn ${name}_inner(${names.map((axis) => `${axis}: u32`).join(", ")}) -> vec4<i32> {
${inner}
}
fn ${name}_at(o: vec4<i32>, i: vec4<i32>) -> f32 {
${at}
}
`;
}

export const each = (count: number, text: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join("\n");

/** Statements that declare `split` and `batch` from `tile`, and the range of k. */
function splitAndRange({ batches, splits, k }: Gemm): string {
  const share = Math.ceil(k / splits);
  return `let batch = ${batches === 1 ? "0u" : `tile % ${batches}u`};
let split = ${splits === 1 ? "0u" : batches === 1 ? "tile" : `tile / ${batches}u`};
let k_first = split * ${share}u;
let k_last = min(k_first + ${share}u, ${k}u);`;
}

/** Rows of vec4 accumulators, and how they are stored. */
function accumulators(rows: number, columns: number): { declare: string; store(body: string): string } {
  const quads = columns / 4;
  return {
    declare: each(rows * quads, (i) => `var sum${i} = vec4<f32>();`),
    // Through an array, so that the stores are a loop and not as many copies of the step's expressions.
    store: (body) => `var sums: array<vec4<f32>, ${rows * quads}>;
${each(rows * quads, (i) => `sums[${i}] = sum${i};`)}
for (var row = 0u; row < ${rows}u; row++) {
for (var column = 0u; column < ${columns}u; column++) {
let m = m_first + row;
let n = n_first + column;
${body}
}
}`,
  };
}

function storeInside({ m, n, store }: Gemm, columns: number): string {
  return `if (m < ${m}u && n < ${n}u) {
let sum = sums[row * ${columns / 4}u + column / 4u][column % 4u];
${store}
}`;
}

/** The size of tiles as even as can be: with at most 8, 6 are one tile and 10 are two of 5. */
export function evenTiles(size: number, most: number): number {
  return Math.ceil(size / Math.ceil(size / most));
}

export function registerTiles(product: Gemm, variant: ProductVariant, functions: string): Kernel {
  const { batches, splits, m, n, inner } = product;
  const first = inner.names.map((name) => `${name}_first`);
  const rows = evenTiles(m, variant.rows);
  const { columns } = variant;
  const quads = columns / 4;
  const tilesM = Math.ceil(m / rows);
  const tilesN = Math.ceil(n / columns);
  const total = batches * splits * tilesM * tilesN;
  const threads = 64;
  const { declare, store } = accumulators(rows, columns);
  const body = `let thread = group * ${threads}u + lane;
if (thread >= ${total}u) { return; }
let n_first = thread % ${tilesN}u * ${columns}u;
let m_first = thread / ${tilesN}u % ${tilesM}u * ${rows}u;
let tile = thread / ${tilesN * tilesM}u;
${splitAndRange(product)}
${each(rows, (i) => `let a${i} = a_outer(batch, min(m_first + ${i}u, ${m - 1}u));`)}
${each(columns, (j) => `let b${j} = b_outer(batch, min(n_first + ${j}u, ${n - 1}u));`)}
${declare}
${decode("k_first", inner.shape, first)}
${inner.names.map((name, i) => `var ${name} = ${first[i]};`).join("\n")}
for (var k = k_first; k < k_last; k++) {
let ka = a_inner(${inner.names.join(", ")});
let kb = b_inner(${inner.names.join(", ")});
${each(quads, (q) => `let y${q} = vec4<f32>(${[0, 1, 2, 3].map((j) => `b_at(b${q * 4 + j}, kb)`).join(", ")});`)}
${each(rows, (i) => `let x${i} = vec4<f32>(a_at(a${i}, ka));`)}
${each(rows, (i) => each(quads, (q) => `sum${i * quads + q} = x${i} * y${q} + sum${i * quads + q};`))}
${advance(inner)}
}
${store(storeInside(product, columns))}`;
  return { functions, body, threads, workgroups: Math.ceil(total / threads) };
}

/** The next k: counting costs less than dividing. */
export function advance({ names, shape }: Gemm["inner"]): string {
  const count = (axis: number): string => {
    const name = names[axis]!;
    if (axis === 0) return `${name}++;`;
    return `${name}++;\nif (${name} == ${shape[axis]}u) {\n${name} = 0u;\n${count(axis - 1)}\n}`;
  };
  return count(names.length - 1);
}

export function sharedTiles(product: Gemm, variant: ProductVariant, functions: string): Kernel {
  const { m, n, a, b, inner } = product;
  const { rows, columns, depth } = variant;
  const quads = columns / 4;
  const threads = 256;
  const [tileM, tileN] = [16 * rows, 16 * columns];
  const [tilesM, tilesN] = [Math.ceil(m / tileM), Math.ceil(n / tileN)];
  const { declare, store } = accumulators(rows, columns);
  /** Each thread brings its share of a tile, neighbours in memory by neighbouring threads. */
  const load = (name: "a" | "b", { innerIsNear }: Factor, size: number, first: string, limit: number) =>
    `for (var e = lane; e < ${size * depth}u; e += ${threads}u) {
${innerIsNear ? `let kk = e % ${depth}u;\nlet ii = e / ${depth}u;` : `let ii = e % ${size}u;\nlet kk = e / ${size}u;`}
var value = 0f;
if (k + kk < k_last && ${first} + ii < ${limit}u) {
let at_k = k + kk;
${decode("at_k", inner.shape, inner.names)}
value = ${name}_at(${name}_outer(batch, ${first} + ii), ${name}_inner(${inner.names.join(", ")}));
}
tile_${name}[kk * ${size}u + ii] = value;
}`;
  const body = `let tile_n = group % ${tilesN}u * ${tileN}u;
let tile_m = group / ${tilesN}u % ${tilesM}u * ${tileM}u;
let tile = group / ${tilesN * tilesM}u;
${splitAndRange(product)}
let in_m = lane / 16u * ${rows}u;
let in_n = lane % 16u * ${columns}u;
${declare}
for (var k = k_first; k < k_last; k += ${depth}u) {
${load("a", a, tileM, "tile_m", m)}
${load("b", b, tileN, "tile_n", n)}
workgroupBarrier();
for (var kk = 0u; kk < ${depth}u; kk++) {
let ya = kk * ${tileN}u + in_n;
let xa = kk * ${tileM}u + in_m;
${each(quads, (q) => `let y${q} = vec4<f32>(${[0, 1, 2, 3].map((j) => `tile_b[ya + ${q * 4 + j}u]`).join(", ")});`)}
${each(rows, (i) => `let x${i} = vec4<f32>(tile_a[xa + ${i}u]);`)}
${each(rows, (i) => each(quads, (q) => `sum${i * quads + q} = x${i} * y${q} + sum${i * quads + q};`))}
}
workgroupBarrier();
}
let m_first = tile_m + in_m;
let n_first = tile_n + in_n;
${store(storeInside(product, columns))}`;
  return {
    functions: `${functions}var<workgroup> tile_a: array<f32, ${tileM * depth}>;
var<workgroup> tile_b: array<f32, ${tileN * depth}>;
`,
    body,
    threads,
    workgroups: workgroupsOf(product, variant),
  };
}
