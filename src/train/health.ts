import { UserError } from "../core/errors.js";
import { call, constant } from "../core/expression.js";
import { full } from "../ops/creation.js";
import { less, pointwise, where } from "../ops/pointwise.js";
import { evaluate as compute, type Tensor, variable } from "../tensor/tensor.js";

/** A loss that is no number: training stopped, the weights are the last that gave a finite one. */
export class DivergedError extends UserError {
  constructor(readonly step: number) {
    super(
      `the loss of step ${step} is not a finite number; the last weights that gave a finite one are kept. A lower learning rate usually helps`,
    );
  }
}

/**
 * Remembers on the device the first step whose loss was no finite number, where updates stop, and the last weights
 * that gave a finite one: a bad loss comes from weights that the step before made.
 */
export class Health {
  /** 0 while all is well, else the number of the step. */
  private readonly badStep: Tensor = variable(full([], 0));
  /** By the names of parameters and buffers. */
  readonly good: ReadonlyMap<string, Tensor>;

  constructor(private readonly state: ReadonlyMap<string, Tensor>) {
    this.good = new Map([...state].map(([name, one]) => [name, variable(one.detach())]));
  }

  /** 1 (i32) while every loss so far, this one included, is finite. Call it before the step that changes the weights. */
  check(loss: Tensor, step: number): Tensor {
    const finite = pointwise("health", [loss.detach()], (value) =>
      call("le", call("abs", value), constant(3.4e38, "f32")),
    );
    const here = where(finite, 0, step);
    const bad = pointwise("health", [this.badStep, here], (before, now) =>
      call("select", call("gt", before, constant(0, "f32")), before, now),
    );
    this.badStep.assign(bad);
    const healthy = less(bad, 0.5);
    for (const [name, kept] of this.good) kept.assign(where(healthy, this.state.get(name)!.detach(), kept));
    return healthy;
  }

  /** Throws a DivergedError after a bad loss, once the last good weights are back. */
  async throwIfDiverged(): Promise<void> {
    const step = await this.badStep.item();
    if (step === 0) return;
    for (const [name, one] of this.state) one.assign(this.good.get(name)!.detach());
    await compute(...this.state.values());
    throw new DivergedError(step);
  }
}
