import { Transformer } from "./estimator.js";
import { columnMeans, type Matrix, zeroMatrix } from "./matrix.js";

/** Takes each feature's mean away and divides by its deviation (over all examples); a constant feature becomes 0. */
export class StandardScaler extends Transformer {
  readonly kind = "standardScaler";
  readonly options = {};
  protected readonly learned = ["mean", "scale"];
  mean = new Float32Array(0);
  /** Deviations; 1 for a constant feature. */
  scale = new Float32Array(0);

  protected override async learn(x: Matrix): Promise<void> {
    const means = columnMeans(x);
    const squares = new Float64Array(x.columns);
    for (let i = 0; i < x.values.length; i++) {
      const off = x.values[i]! - means[i % x.columns]!;
      squares[i % x.columns]! += off * off;
    }
    this.mean = Float32Array.from(means);
    // What is left of a constant feature is rounding of its mean.
    this.scale = Float32Array.from(squares, (sum, j) => {
      const deviation = Math.sqrt(sum / x.rows);
      return deviation > 10 * Number.EPSILON * Math.abs(means[j]!) ? deviation : 1;
    });
  }

  protected override async apply(x: Matrix): Promise<Matrix> {
    const out = zeroMatrix(x.rows, x.columns);
    for (let i = 0; i < x.rows; i++)
      for (let j = 0, at = i * x.columns; j < x.columns; j++, at++)
        out.values[at] = (x.values[at]! - this.mean[j]!) / this.scale[j]!;
    return out;
  }
}

/** Standardisation: each feature to mean 0 and deviation 1, as scikit-learn's StandardScaler. */
export function standardScaler(): StandardScaler {
  return new StandardScaler();
}
