import { UserError } from "../core/errors.js";
import { Classifier, fitOrKeep, type ModelState, Transformer, type WorkOptions } from "./estimator.js";
import type { Matrix } from "./matrix.js";

/** Transformers one after the other, then a classifier, as one classifier. */
export class Pipeline extends Classifier {
  readonly kind = "pipeline";
  readonly options = {};
  protected readonly learned = [];

  constructor(
    readonly transformers: readonly Transformer[],
    readonly classifier: Classifier,
  ) {
    super();
  }

  override state(): ModelState {
    return { ...super.state(), parts: [...this.transformers, this.classifier].map((part) => part.state()) };
  }

  protected override async learn(
    x: Matrix,
    y: Int32Array,
    _classes: number,
    options: WorkOptions,
  ): Promise<void> {
    await fitOrKeep([...this.transformers, this.classifier], async () => {
      for (const one of this.transformers) x = await (await one.fit(x, options)).transform(x, options);
      await this.classifier.fit(x, y, options);
    });
    this.converged = this.classifier.converged;
  }

  protected override async decide(x: Matrix, options: WorkOptions): Promise<Int32Array> {
    for (const one of this.transformers) x = await one.transform(x, options);
    return this.classifier.predict(x, options);
  }
}

/** Chains transformers and a classifier, which come last, as scikit-learn's make_pipeline. Throws a UserError on another order. */
export function pipeline(...parts: readonly [...Transformer[], Classifier]): Pipeline {
  const classifier = parts.at(-1);
  const transformers = parts.slice(0, -1);
  if (!(classifier instanceof Classifier) || !transformers.every((part) => part instanceof Transformer))
    throw new UserError(
      `a pipeline of ${parts.map((part) => part.kind).join(", ")}; give transformers first and one classifier last`,
    );
  return new Pipeline(transformers as Transformer[], classifier);
}
