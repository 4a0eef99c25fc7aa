import type { Learners, Watch } from "../learners.js";
import type { Addon, Handle } from "./addon.js";

const kernels = ["linear", "poly", "rbf", "sigmoid"] as const;
const pollMilliseconds = 100;

/** The addon's learners, with its flat arrays. */
export function cpuLearners(addon: Addon, device: Handle, threads: number): Learners {
  return {
    threads,
    svmLeastBytes: (rows) => addon.svmLeastBytes(rows),
    async fitSvm(x, columns, settings, problems, watch) {
      const { kernel, gamma, coef0, degree, C, tol, cacheBytes, maxIter } = settings;
      const numbers = [columns, kernels.indexOf(kernel), gamma, coef0, degree, C, tol, cacheBytes, maxIter];
      const rows = joined(problems.map((problem) => problem.rows));
      const words = Int32Array.from(problems.flatMap((problem) => [problem.rows.length, problem.positives]));
      const betas = new Float64Array(rows.length);
      const results = new Float64Array(6 * problems.length);
      await watched(watch, (control) =>
        addon.fitSvm(device, x, Float64Array.from(numbers), rows, words, betas, results, control),
      );
      let at = 0;
      return problems.map((problem, i) => {
        const [intercept, objective, iterations, kernelRows, shrinkings, converged] = results.subarray(
          6 * i,
          6 * i + 6,
        );
        const beta = betas.slice(at, at + problem.rows.length);
        at += beta.length;
        return {
          beta,
          intercept: intercept!,
          objective: objective!,
          iterations: iterations!,
          kernelRows: kernelRows!,
          shrinkings: shrinkings!,
          converged: converged === 1,
        };
      });
    },
    async fitLinearSvm(x, columns, labels, classes, { C, tol, maxIter, squared, seed }, watch) {
      const numbers = Float64Array.of(columns, C, tol, maxIter, Number(squared), seed);
      const weights = new Float64Array(classes.length * (columns + 1));
      const results = new Float64Array(3 * classes.length);
      await watched(watch, (control) =>
        addon.fitLinearSvm(device, x, labels, classes, numbers, weights, results, control),
      );
      return Array.from(classes, (_, c) => {
        const all = weights.subarray(c * (columns + 1), (c + 1) * (columns + 1));
        const [objective, iterations, converged] = results.subarray(3 * c, 3 * c + 3);
        return {
          weights: all.subarray(0, columns),
          intercept: all[columns]!,
          objective: objective!,
          iterations: iterations!,
          converged: converged === 1,
        };
      });
    },
    async growForest({ codes, lows, highs }, labels, settings, watch) {
      const { features, classes, trees, maxFeatures, minSamplesSplit, minSamplesLeaf, maxDepth } = settings;
      const flags = Number(settings.bootstrap) + 2 * Number(settings.randomSplits);
      const numbers = [
        features,
        classes,
        trees,
        maxFeatures,
        minSamplesSplit,
        minSamplesLeaf,
        maxDepth,
        flags,
        settings.seed,
      ];
      const flat = await watched(watch, (control) =>
        addon.growForest(device, codes, labels, lows, highs, Float64Array.from(numbers), control),
      );
      return Array.from({ length: trees }, (_, t) => ({
        nodes: flat[3 * t] as Int32Array,
        thresholds: flat[3 * t + 1] as Float32Array,
        values: flat[3 * t + 2] as Float32Array,
      }));
    },
    async walkForest(x, columns, { nodes, thresholds, values, roots }, classes, watch) {
      const numbers = Float64Array.of(columns, classes);
      const shares = new Float32Array((x.length / columns) * classes);
      await watched(watch, (control) =>
        addon.walkForest(device, x, nodes, thresholds, values, roots, numbers, shares, control),
      );
      return shares;
    },
  };
}

/** Runs a call that counts what is done in control[1] and stops where control[0] is set. */
async function watched<T>(
  { signal, onProgress }: Watch,
  call: (control: Int32Array) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const control = new Int32Array(2);
  const stop = (): void => void Atomics.store(control, 0, 1);
  signal?.addEventListener("abort", stop);
  let told = 0;
  const tell = (): void => {
    const done = Atomics.load(control, 1);
    if (done > told) onProgress?.(done);
    told = done;
  };
  const timer = setInterval(tell, pollMilliseconds);
  try {
    const result = await call(control);
    signal?.throwIfAborted();
    tell();
    return result;
  } finally {
    clearInterval(timer);
    signal?.removeEventListener("abort", stop);
  }
}

function joined(parts: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
