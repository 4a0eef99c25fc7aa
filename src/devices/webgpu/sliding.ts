import { advance, each, evenTiles, type Gemm, type Slide } from "./gemm.js";
import type { Kernel } from "./shader.js";
import type { ProductVariant } from "./variants.js";

/**
 * Register tiles over a product whose b slides, as a convolution's image does past its kernel: a thread reads neighbours
 * of one row once, for all taps of a row of the kernel. The sums' order is that of the other tiles.
 */
export function slidingTiles(
  product: Gemm,
  { length, isBackward }: Slide,
  variant: ProductVariant,
  functions: string,
): Kernel {
  const { batches, m, n, k, inner } = product;
  const rows = evenTiles(m, variant.rows);
  // More than where each costs a read for every tap.
  const columns = evenTiles(length, 2 * variant.columns);
  const tilesM = Math.ceil(m / rows);
  const tilesInRow = Math.ceil(length / columns);
  const tilesN = (n / length) * tilesInRow;
  const total = batches * tilesM * tilesN;
  const threads = 64;
  const outerNames = inner.names.slice(0, -1);
  const taps = inner.shape.at(-1)!;
  const at = [...outerNames, "0u"].join(", ");
  /** Neighbours that the taps read between them, and which of them tap `t` reads for sum `j`. */
  const span = columns + taps - 1;
  const neighbour = (j: number, t: number): number => (isBackward ? j + taps - 1 - t : j + t);
  const shift = isBackward ? taps - 1 : 0;
  const sum = (i: number, j: number): string =>
    Array.from({ length: taps }, (_, t) => `x${i}_${t} * y${neighbour(j, t)}`).reduce(
      (before, term) => `(${before} + ${term})`,
      `sum${i * columns + j}`,
    );
  const body = `let thread = group * ${threads}u + lane;
if (thread >= ${total}u) { return; }
let tile_n = thread % ${tilesN}u;
let in_row = tile_n % ${tilesInRow}u * ${columns}u;
let n_first = tile_n / ${tilesInRow}u * ${length}u + in_row;
let m_first = thread / ${tilesN}u % ${tilesM}u * ${rows}u;
let batch = thread / ${tilesN * tilesM}u;
${each(rows, (i) => `let a${i} = a_outer(batch, min(m_first + ${i}u, ${m - 1}u));`)}
let b = b_outer(batch, n_first);
${each(rows * columns, (i) => `var sum${i} = 0f;`)}
${outerNames.map((name) => `var ${name} = 0u;`).join("\n")}
for (var row_of_k = 0u; row_of_k < ${k / taps}u; row_of_k++) {
let kb = b_inner(${at});
${each(span, (j) => `let y${j} = b_at(b + vec4<i32>(0i, 0i, ${j - shift}i, 0i), kb);`)}
${each(taps, (t) => {
  const here = [...outerNames, `${t}u`].join(", ");
  return `let ka${t} = a_inner(${here});\n${each(rows, (i) => `let x${i}_${t} = a_at(a${i}, ka${t});`)}`;
})}
${each(rows, (i) => each(columns, (j) => `sum${i * columns + j} = ${sum(i, j)};`))}
${advance({ names: outerNames, shape: inner.shape.slice(0, -1) })}
}
var sums: array<f32, ${rows * columns}>;
${each(rows * columns, (i) => `sums[${i}] = sum${i};`)}
for (var row = 0u; row < ${rows}u; row++) {
for (var column = 0u; column < ${columns}u; column++) {
let m = m_first + row;
let n = n_first + column;
if (m < ${m}u && in_row + column < ${length}u) {
let sum = sums[row * ${columns}u + column];
${product.store}
}
}
}`;
  return { functions, body, threads, workgroups: Math.ceil(total / threads) };
}
