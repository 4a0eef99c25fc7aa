/** Parameters of the probability 1 / (1 + exp(a f + b)) of the positive class at a decision value f. */
export interface Sigmoid {
  readonly a: number;
  readonly b: number;
}

/**
 * Fits Platt's sigmoid to decision values by Newton's method with backtracking (Lin, Lin and Weng, "A note on Platt's
 * probabilistic outputs for support vector machines", 2007, algorithm 1).
 */
export function fitSigmoid(values: ArrayLike<number>, isPositive: (i: number) => boolean): Sigmoid {
  const count = values.length;
  let positives = 0;
  for (let i = 0; i < count; i++) if (isPositive(i)) positives++;
  const high = (positives + 1) / (positives + 2);
  const low = 1 / (count - positives + 2);
  const targets = Float64Array.from({ length: count }, (_, i) => (isPositive(i) ? high : low));
  const lossAt = (a: number, b: number): number => {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const z = values[i]! * a + b;
      sum +=
        z >= 0 ? targets[i]! * z + Math.log1p(Math.exp(-z)) : (targets[i]! - 1) * z + Math.log1p(Math.exp(z));
    }
    return sum;
  };
  let a = 0;
  let b = Math.log((count - positives + 1) / (positives + 1));
  let loss = lossAt(a, b);
  for (let iteration = 0; iteration < 100; iteration++) {
    let [h11, h22, h21, g1, g2] = [1e-12, 1e-12, 0, 0, 0];
    for (let i = 0; i < count; i++) {
      const f = values[i]!;
      const z = f * a + b;
      const e = Math.exp(-Math.abs(z));
      const p = z >= 0 ? e / (1 + e) : 1 / (1 + e);
      const curvature = p * (1 - p);
      h11 += f * f * curvature;
      h22 += curvature;
      h21 += f * curvature;
      g1 += f * (targets[i]! - p);
      g2 += targets[i]! - p;
    }
    if (Math.abs(g1) < 1e-5 && Math.abs(g2) < 1e-5) break;
    const determinant = h11 * h22 - h21 * h21;
    const da = -(h22 * g1 - h21 * g2) / determinant;
    const db = -(-h21 * g1 + h11 * g2) / determinant;
    const slope = g1 * da + g2 * db;
    let rate = 1;
    let next = lossAt(a + da, b + db);
    while (!(next < loss + 1e-4 * rate * slope) && rate >= 1e-10) {
      rate /= 2;
      next = lossAt(a + rate * da, b + rate * db);
    }
    if (rate < 1e-10) break;
    a += rate * da;
    b += rate * db;
    loss = next;
  }
  return { a, b };
}

/** The probability, kept off 0 and 1 as libsvm does. */
export function sigmoidAt({ a, b }: Sigmoid, value: number): number {
  const z = value * a + b;
  const p = z >= 0 ? Math.exp(-z) / (1 + Math.exp(-z)) : 1 / (1 + Math.exp(z));
  return Math.min(Math.max(p, 1e-7), 1 - 1e-7);
}

/**
 * Class probabilities from those of pairs, pairwise[i * k + j] of i against j (Wu, Lin and Weng, "Probability estimates
 * for multi-class classification by pairwise coupling", 2004, the second method).
 */
export function couplePairs(pairwise: Float64Array, k: number): Float64Array {
  const q = new Float64Array(k * k);
  for (let t = 0; t < k; t++)
    for (let j = 0; j < k; j++) {
      if (j === t) continue;
      q[t * k + t]! += pairwise[j * k + t]! ** 2;
      q[t * k + j] = -pairwise[j * k + t]! * pairwise[t * k + j]!;
    }
  const p = new Float64Array(k).fill(1 / k);
  const qp = new Float64Array(k);
  for (let iteration = 0; iteration < Math.max(100, k); iteration++) {
    let pqp = 0;
    for (let t = 0; t < k; t++) {
      qp[t] = 0;
      for (let j = 0; j < k; j++) qp[t]! += q[t * k + j]! * p[j]!;
      pqp += p[t]! * qp[t]!;
    }
    if (qp.every((value) => Math.abs(value - pqp) < 0.005 / k)) break;
    for (let t = 0; t < k; t++) {
      const difference = (pqp - qp[t]!) / q[t * k + t]!;
      p[t]! += difference;
      pqp = (pqp + difference * (difference * q[t * k + t]! + 2 * qp[t]!)) / (1 + difference) ** 2;
      for (let j = 0; j < k; j++) {
        qp[j] = (qp[j]! + difference * q[t * k + j]!) / (1 + difference);
        p[j]! /= 1 + difference;
      }
    }
  }
  return p;
}
