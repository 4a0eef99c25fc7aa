import { UserError } from "../core/errors.js";
import type { LabelledImages } from "../data/index.js";

/** Examples by features, row by row. */
export interface Matrix {
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

const largestArray = 2 ** 32 - 1;

/** Throws a UserError where the machine has not so much memory. `what` begins the sentence, `remedy` ends it. */
export function requireMemory(bytes: number, what: string, remedy: string): void {
  // A browser does not tell; there an array that is too large throws by itself.
  const memory = globalThis.process?.getBuiltinModule("node:os").totalmem() ?? Number.POSITIVE_INFINITY;
  if (bytes <= memory) return;
  const gib = (amount: number): string => (amount / 2 ** 30).toFixed(1);
  throw new UserError(`${what} take ${gib(bytes)} GiB and this machine has ${gib(memory)}; ${remedy}`);
}

/** A matrix of zeros. Throws a UserError where it does not fit into memory. */
export function zeroMatrix(rows: number, columns: number): Matrix {
  const what = `${rows} examples of ${columns} features`;
  const remedy = "take fewer features (larger cells, pca) or fewer examples";
  requireMemory(rows * columns * 4, what, remedy);
  if (rows * columns > largestArray)
    throw new UserError(`${what} are more than ${largestArray} numbers, the most an array holds; ${remedy}`);
  return { values: new Float32Array(rows * columns), rows, columns };
}

/**
 * A matrix over values, row by row (no copy of a Float32Array). Throws a RangeError where they do not fill it.
 */
export function matrix(values: ArrayLike<number>, rows: number, columns: number): Matrix {
  if (values.length !== rows * columns)
    throw new RangeError(
      `matrix: ${values.length} values do not fill ${rows} rows of ${columns}; give ${rows * columns}`,
    );
  return { values: values instanceof Float32Array ? values : Float32Array.from(values), rows, columns };
}

/** Raw pixels as features: bytes times `scale`, which is 1 / 255 if left out. */
export function pixelFeatures(images: LabelledImages, { scale = 1 / 255 } = {}): Matrix {
  const out = zeroMatrix(images.count, images.height * images.width * images.channels);
  for (let i = 0; i < out.values.length; i++) out.values[i] = images.images[i]! * scale;
  return out;
}

/** Some rows, in the order given, as a matrix of their own. */
export function takeRows(x: Matrix, numbers: ArrayLike<number>): Matrix {
  const wrong = Array.from(numbers).find((k) => !Number.isInteger(k) || k < 0 || k >= x.rows);
  if (wrong !== undefined) throw new RangeError(`takeRows: there is no row ${wrong} of ${x.rows}`);
  const out = zeroMatrix(numbers.length, x.columns);
  for (let i = 0; i < numbers.length; i++) out.values.set(row(x, numbers[i]!), i * x.columns);
  return out;
}

/** Features side by side, such as learned ones and HOG. Throws a RangeError where the numbers of rows differ, or there are none. */
export function concatFeatures(...parts: readonly Matrix[]): Matrix {
  const [first] = parts;
  if (!first) throw new RangeError("concatFeatures: no features; give at least one matrix");
  const { rows } = first;
  if (parts.some((part) => part.rows !== rows))
    throw new RangeError(
      `concatFeatures: rows differ, ${parts.map((part) => part.rows).join(" and ")}; give features of the same examples`,
    );
  const out = zeroMatrix(
    rows,
    parts.reduce((sum, part) => sum + part.columns, 0),
  );
  for (let i = 0; i < rows; i++) {
    let at = i * out.columns;
    for (const part of parts) {
      out.values.set(row(part, i), at);
      at += part.columns;
    }
  }
  return out;
}

/** One row, no copy. */
export function row(x: Matrix, i: number): Float32Array {
  return x.values.subarray(i * x.columns, (i + 1) * x.columns);
}

/** A matrix in blocks of rows, no copy. */
export function* rowBlocks(x: Matrix, size = 4096): Generator<{ start: number; block: Matrix }> {
  for (let start = 0; start < x.rows; start += size) {
    const rows = Math.min(size, x.rows - start);
    const values = x.values.subarray(start * x.columns, (start + rows) * x.columns);
    yield { start, block: { values, rows, columns: x.columns } };
  }
}

/** Throws a UserError unless there are rows and columns and every value is a finite number. */
export function requireFinite(x: Matrix): void {
  if (x.rows === 0 || x.columns === 0)
    throw new UserError(
      `x has ${x.rows} rows and ${x.columns} columns; give at least one example and one feature`,
    );
  const { values, columns } = x;
  // A sum is finite only where all values are, or where they cancel or overflow: then each is looked at. Four sums,
  // since an addition waits for the one before.
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < values.length % 4; i++) a += values[i]!;
  for (let i = values.length % 4; i < values.length; i += 4) {
    a += values[i]!;
    b += values[i + 1]!;
    c += values[i + 2]!;
    d += values[i + 3]!;
  }
  if (Number.isFinite(a + b + c + d)) return;
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return;
  throw new UserError(
    `x holds ${values[bad]} in row ${Math.floor(bad / columns)}, column ${bad % columns}; remove or replace what is no finite number`,
  );
}

/** Throws a UserError where products of rows overflow, because float32 does not hold some row's squared length. */
export function requireFiniteNorms(x: Matrix): void {
  const bad = squaredNorms(x).indexOf(Number.POSITIVE_INFINITY);
  if (bad >= 0)
    throw new UserError(`the squared features of row ${bad} of x overflow float32; standardise the features`);
}

/** Mean of each column, in double precision. */
export function columnMeans({ values, rows, columns }: Matrix): Float64Array {
  const means = new Float64Array(columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) means[j]! += values[i * columns + j]!;
  return means.map((sum) => sum / rows);
}

/** Rows less a mean. */
export function centred(x: Matrix, mean: Float32Array): Matrix {
  const out = zeroMatrix(x.rows, x.columns);
  for (let i = 0; i < out.values.length; i++) out.values[i] = x.values[i]! - mean[i % x.columns]!;
  return out;
}

/** Between two rows, in double precision. */
export function squaredDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += (a[j]! - b[j]!) ** 2;
  return sum;
}

/** Squared length of each row, as float32. */
export function squaredNorms({ values, rows, columns }: Matrix): Float32Array {
  return Float32Array.from({ length: rows }, (_, i) => {
    let sum = 0;
    for (let j = i * columns; j < (i + 1) * columns; j++) sum += values[j]! * values[j]!;
    return sum;
  });
}
