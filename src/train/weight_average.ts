import { add, mul, sub } from "../ops/pointwise.js";
import { type Tensor, variable } from "../tensor/tensor.js";

/**
 * An exponential moving average of weights: PyTorch's `AveragedModel` with `get_ema_multi_avg_fn(decay)` (Polyak and
 * Juditsky, 1992). Buffers, such as batch norm's statistics, are not averaged. Throws a RangeError unless the decay
 * lies between 0 and 1.
 */
export class WeightAverage {
  readonly tensors: ReadonlyMap<string, Tensor>;

  constructor(
    private readonly parameters: ReadonlyMap<string, Tensor>,
    private readonly decay: number,
  ) {
    if (!(decay > 0 && decay < 1))
      throw new RangeError(`emaDecay is ${decay}; give a number between 0 and 1, such as 0.999`);
    this.tensors = new Map([...parameters].map(([name, one]) => [name, variable(one.detach())]));
  }

  /** Takes the weights in that step number `step`, counted from 1, has made. The next evaluation computes it. */
  update(step: number): void {
    for (const [name, average] of this.tensors) {
      const now = this.parameters.get(name)!.detach();
      average.assign(step === 1 ? now : add(average, mul(sub(now, average), 1 - this.decay)));
    }
  }

  /** Exchanges the network's weights and the averages. */
  exchange(): void {
    for (const [name, average] of this.tensors) {
      const parameter = this.parameters.get(name)!;
      const [ours, theirs] = [average.detach(), parameter.detach()];
      average.assign(theirs);
      parameter.assign(ours);
    }
  }
}
