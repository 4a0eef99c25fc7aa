import { Stepper, type WorkOptions } from "./estimator.js";

/** Values descending, and the vectors as rows in that order, each of length 1. */
export interface Eigen {
  readonly values: Float64Array;
  readonly vectors: Float64Array;
}

/**
 * Eigenvalues and eigenvectors of a symmetric matrix [n, n] (overwritten): Householder's tridiagonal form, then
 * implicit QL (tred2 and tql2 of Bowdler, Martin, Reinsch and Wilkinson, 1968), written so that loops run along rows.
 */
export async function symmetricEigen(a: Float64Array, n: number, options: WorkOptions = {}): Promise<Eigen> {
  const stepper = new Stepper(options, "eigenvectors", 2 * n);
  const d = new Float64Array(n);
  const e = new Float64Array(n);
  /** Householder vectors of length sqrt(2), so that each reflection is 1 - v v'. */
  const reflections: Float64Array[] = [];
  for (let k = 0; k < n - 1; k++) {
    d[k] = a[k * n + k]!;
    const v = a.slice(k * n + k + 1, (k + 1) * n);
    e[k + 1] = reflect(v);
    reflections.push(v);
    if (e[k + 1] === 0) continue;
    // A := (1 - v v') A (1 - v v') on the rest, as A - v w' - w v'.
    const m = n - k - 1;
    const w = new Float64Array(m);
    let dot = 0;
    for (let i = 0; i < m; i++) {
      const at = (k + 1 + i) * n + k + 1;
      let sum = 0;
      for (let j = 0; j < m; j++) sum += a[at + j]! * v[j]!;
      w[i] = sum;
      dot += sum * v[i]!;
    }
    for (let i = 0; i < m; i++) w[i]! -= (dot / 2) * v[i]!;
    for (let i = 0; i < m; i++) {
      const at = (k + 1 + i) * n + k + 1;
      const [vi, wi] = [v[i]!, w[i]!];
      for (let j = 0; j < m; j++) a[at + j]! -= vi * w[j]! + wi * v[j]!;
    }
    await stepper.step(k + 1);
  }
  d[n - 1] = a[n * n - 1]!;

  // Rows of z are the vectors-to-be: z = Q', built from the last reflection back.
  const z = new Float64Array(n * n);
  for (let i = 0; i < n; i++) z[i * n + i] = 1;
  await rotate(d, e, z, n, stepper);
  // Each row of z lives in the tridiagonal basis: x = H1 H2 ... z.
  for (let row = 0; row < n; row++) {
    for (let k = n - 2; k >= 0; k--) {
      const v = reflections[k]!;
      const at = row * n + k + 1;
      let dot = 0;
      for (let j = 0; j < v.length; j++) dot += v[j]! * z[at + j]!;
      if (dot !== 0) for (let j = 0; j < v.length; j++) z[at + j]! -= dot * v[j]!;
    }
    await stepper.step(n + row + 1);
  }
  const order = Array.from(d.keys()).sort((i, j) => d[j]! - d[i]!);
  const vectors = new Float64Array(n * n);
  for (const [to, from] of order.entries()) vectors.set(z.subarray(from * n, (from + 1) * n), to * n);
  return { values: Float64Array.from(order, (i) => d[i]!), vectors };
}

/** Turns x into the vector of length sqrt(2) whose reflection takes it to a multiple of e1; returns that multiple. */
function reflect(x: Float64Array): number {
  const norm = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));
  if (norm === 0) return 0;
  const alpha = x[0]! > 0 ? -norm : norm;
  // Away from zero, so nothing cancels.
  const scale = Math.sqrt(norm * norm - alpha * x[0]!);
  x[0]! -= alpha;
  for (let i = 0; i < x.length; i++) x[i]! /= scale;
  return alpha;
}

/** Implicit QL on a tridiagonal matrix; rows of z take part in every rotation. */
async function rotate(
  d: Float64Array,
  e: Float64Array,
  z: Float64Array,
  n: number,
  stepper: Stepper,
): Promise<void> {
  e.copyWithin(0, 1);
  e[n - 1] = 0;
  for (let l = 0; l < n; l++) {
    for (let m = l; ; m = l) {
      while (m < n - 1 && Math.abs(e[m]!) > Number.EPSILON * (Math.abs(d[m]!) + Math.abs(d[m + 1]!))) m++;
      if (m === l) break;
      let g = (d[l + 1]! - d[l]!) / (2 * e[l]!);
      g = d[m]! - d[l]! + e[l]! / (g + Math.hypot(g, 1) * (g < 0 ? -1 : 1));
      let [s, c, p] = [1, 1, 0];
      for (let i = m - 1; i >= l; i--) {
        let f = s * e[i]!;
        const b = c * e[i]!;
        const r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1]! -= p;
          e[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1]! - p;
        const t = (d[i]! - g) * s + 2 * c * b;
        p = s * t;
        d[i + 1] = g + p;
        g = c * t - b;
        for (let k = 0, low = i * n, high = low + n; k < n; k++, low++, high++) {
          f = z[high]!;
          z[high] = s * z[low]! + c * f;
          z[low] = c * z[low]! - s * f;
        }
        if (i === l) {
          d[l]! -= p;
          e[l] = g;
          e[m] = 0;
        }
      }
    }
    await stepper.step(n);
  }
}
