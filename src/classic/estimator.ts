import type { HostArray } from "../core/dtype.js";
import { UserError } from "../core/errors.js";
import { type Matrix, matrix, requireFinite } from "./matrix.js";

/** How far a long computation is. */
export interface FitProgress {
  /** What is counted, such as "pairs" or "trees". */
  readonly what: string;
  readonly done: number;
  readonly total: number;
}

export interface WorkOptions {
  /** Called now and then, and at the end. */
  readonly onProgress?: ((progress: FitProgress) => void) | undefined;
  /** Ends the computation with the signal's reason; what was fitted before stays. */
  readonly signal?: AbortSignal | undefined;
}

/** What a fitted model is made of: settings that JSON can hold, what it learned, and for a pipeline its parts. */
export interface ModelState {
  readonly kind: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly numbers: Readonly<Record<string, number>>;
  readonly arrays: Readonly<Record<string, StoredArray>>;
  readonly parts?: readonly ModelState[];
}

export interface StoredArray {
  readonly values: HostArray;
  readonly shape: readonly number[];
}

type Learned = number | HostArray | Matrix;

/** What can be fitted, saved and loaded. */
export abstract class Estimator {
  /** The name it is saved under: scikit-learn's, in camelCase. */
  abstract readonly kind: string;
  /** What it was made with. */
  abstract readonly options: object;
  /** Features that it was fitted on; 0 before. */
  protected columns = 0;
  /** The properties that `fit` fills, each a number, an array or a matrix. */
  protected abstract readonly learned: readonly string[];

  /** What `saveModel` writes. Throws a UserError before `fit`. */
  state(): ModelState {
    this.requireFitted();
    const numbers: Record<string, number> = {};
    const arrays: Record<string, StoredArray> = {};
    for (const name of this.saved()) {
      const value = this.own[name]!;
      if (typeof value === "number") numbers[name] = value;
      else if ("rows" in value) arrays[name] = { values: value.values, shape: [value.rows, value.columns] };
      else arrays[name] = { values: value, shape: [value.length] };
    }
    return { kind: this.kind, settings: { ...this.options }, numbers, arrays };
  }

  /** Takes what `state` told of a model with the same settings. Throws a UserError where something is missing. */
  restore({ numbers, arrays }: ModelState): this {
    for (const name of this.saved()) {
      const before = this.own[name]!;
      if (typeof before === "number") {
        if (typeof numbers[name] !== "number") throw new UserError(`it lacks ${name}`);
        this.own[name] = numbers[name];
      } else {
        const { values, shape } = arrays[name]!;
        this.own[name] = "rows" in before ? matrix(values, shape[0]!, shape[1]!) : values;
      }
    }
    return this;
  }

  protected saved(): readonly string[] {
    return ["columns", ...this.learned];
  }

  private get own(): Record<string, Learned> {
    return this as unknown as Record<string, Learned>;
  }

  protected requireFitted(): void {
    if (this.columns === 0) throw new UserError(`this ${this.kind} is not fitted yet; call fit first`);
  }

  /** Throws a UserError unless it is fitted and `x` has as many features, all of them finite. No rows are fine. */
  protected requireFeatures(x: Matrix): void {
    this.requireColumns(x);
    if (x.rows > 0) requireFinite(x);
  }

  /** Throws a UserError unless it is fitted and `x` has as many features. */
  protected requireColumns(x: Matrix): void {
    this.requireFitted();
    if (x.columns !== this.columns)
      throw new UserError(
        `x has ${x.columns} features and this ${this.kind} was fitted on ${this.columns}; give the same features`,
      );
  }
}

/** Runs a fit of estimators that keep what they were fitted to before where it throws. */
export async function fitOrKeep(estimators: readonly Estimator[], work: () => Promise<void>): Promise<void> {
  const before = estimators.map((one) => ({ ...one }));
  try {
    await work();
  } catch (error) {
    for (const [i, one] of estimators.entries()) Object.assign(one, before[i]);
    throw error;
  }
}

/** Learns from features how to change them. */
export abstract class Transformer extends Estimator {
  /** Throws a UserError on an empty set and on features that are no finite numbers. */
  async fit(x: Matrix, options: WorkOptions = {}): Promise<this> {
    requireFinite(x);
    await fitOrKeep([this], async () => {
      await this.learn(x, options);
      this.columns = x.columns;
    });
    return this;
  }

  /** x [examples, features] to the new features, row by row. Throws a UserError where they are not those of `fit`. */
  async transform(x: Matrix, options: WorkOptions = {}): Promise<Matrix> {
    this.requireFeatures(x);
    return this.apply(x, options);
  }

  /** Sets properties, changing none of the old ones' insides. */
  protected abstract learn(x: Matrix, options: WorkOptions): Promise<void>;
  protected abstract apply(x: Matrix, options: WorkOptions): Promise<Matrix>;
}

/** Learns classes, which are whole numbers, from features. */
export abstract class Classifier extends Estimator {
  /** The labels that `fit` saw, ascending. */
  classes: Int32Array = new Int32Array(0);
  /** Whether the last fit reached its tolerance before `maxIter`; true of what has none. Not saved. */
  converged = true;

  protected override saved(): readonly string[] {
    return [...super.saved(), "classes"];
  }

  /**
   * x [examples, features], y their classes. Throws a UserError on an empty set, on features that are no finite
   * numbers, on labels that are no whole numbers or not as many as rows, and where there is one class only.
   */
  async fit(x: Matrix, y: ArrayLike<number>, options: WorkOptions = {}): Promise<this> {
    requireFinite(x);
    const classes = classesOf(x, y);
    const numbers = new Map([...classes].map((label, i) => [label, i]));
    const indices = Int32Array.from(y, (label) => numbers.get(label)!);
    await fitOrKeep([this], async () => {
      await this.learn(x, indices, classes.length, options);
      this.columns = x.columns;
      this.classes = classes;
    });
    return this;
  }

  /** The class of each row. Throws a UserError before `fit`, and where the features are not those of `fit`. */
  async predict(x: Matrix, options: WorkOptions = {}): Promise<Int32Array> {
    this.requireFeatures(x);
    if (x.rows === 0) return new Int32Array(0);
    const numbers = await this.decide(x, options);
    return numbers.map((i) => this.classes[i]!);
  }

  /** Share of rows whose class is predicted. Throws a UserError on an empty set and as `predict` does. */
  async score(x: Matrix, y: ArrayLike<number>, options: WorkOptions = {}): Promise<number> {
    if (x.rows === 0) throw new UserError("x has 0 rows; give at least one example to score");
    requireAsMany(x, y);
    const found = await this.predict(x, options);
    return found.reduce((hits, label, i) => hits + (label === y[i] ? 1 : 0), 0) / x.rows;
  }

  /** Sets properties, changing none of the old ones' insides. `y` holds numbers from 0 to `classes` - 1. */
  protected abstract learn(x: Matrix, y: Int32Array, classes: number, options: WorkOptions): Promise<void>;
  /** The number of each row's class, from 0. */
  protected abstract decide(x: Matrix, options: WorkOptions): Promise<Int32Array>;
}

function requireAsMany(x: Matrix, y: ArrayLike<number>): void {
  if (y.length !== x.rows) throw new UserError(`x has ${x.rows} rows and y ${y.length} labels; give as many`);
}

function classesOf(x: Matrix, y: ArrayLike<number>): Int32Array {
  requireAsMany(x, y);
  const found = new Set<number>();
  for (let i = 0; i < y.length; i++) found.add(y[i]!);
  for (const label of found)
    if ((label | 0) !== label)
      throw new UserError(`y holds the label ${label}; classes are whole numbers below 2^31`);
  if (found.size === 1)
    throw new UserError(`y holds one class only, ${[...found][0]}; give examples of at least two`);
  return Int32Array.from(found).sort();
}

/** Number of the largest of each row's `columns` values; the first among equals. */
export function largestInRows(values: ArrayLike<number>, columns: number): Int32Array {
  return Int32Array.from({ length: values.length / columns }, (_, i) => {
    let best = 0;
    for (let j = 1; j < columns; j++) if (values[i * columns + j]! > values[i * columns + best]!) best = j;
    return best;
  });
}

/**
 * Walks over a long computation in steps: stops where the signal says so, tells how far it is, and lets other work
 * of the process in between.
 */
export class Stepper {
  private rested = performance.now();

  constructor(
    private readonly options: WorkOptions,
    private readonly what: string,
    private readonly total: number,
  ) {}

  /** Call it with the steps done so far. Throws the signal's reason. */
  async step(done: number): Promise<void> {
    this.options.signal?.throwIfAborted();
    const now = performance.now();
    if (now - this.rested < 50 && done < this.total) return;
    this.options.onProgress?.({ what: this.what, done, total: this.total });
    await new Promise((resolve) => setTimeout(resolve));
    this.rested = performance.now();
  }
}

/** Checks a setting. Throws a UserError that names it, its value and what it may be. */
export function requireSetting(isFine: boolean, name: string, value: unknown, allowed: string): void {
  if (!isFine) throw new UserError(`${name} is ${value}; give ${allowed}`);
}

/** Throws a UserError unless `randomState` can be a seed. */
export function requireSeed(randomState: number): void {
  requireSetting(
    Number.isSafeInteger(randomState) && randomState >= 0,
    "randomState",
    randomState,
    "a whole number from 0 to 2^53 - 1",
  );
}

export function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1;
}
