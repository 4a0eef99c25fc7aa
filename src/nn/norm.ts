import type { Shape } from "../core/shape.js";
import { ones, zeros } from "../ops/creation.js";
import { pad, reshape, slice } from "../ops/movement.js";
import { add, div, mul, pow, sqrt, square, sub } from "../ops/pointwise.js";
import { mean } from "../ops/reduce.js";
import { type Tensor, variable } from "../tensor/tensor.js";
import { Module, requireChannels, weightAndBias } from "./module.js";
import type { Image, SameShape, ShapeRule } from "./shape_rule.js";

interface BatchNorm2dShape<Channels extends number> extends ShapeRule {
  readonly output: Image<this["input"], "BatchNorm2d", Channels, "channels">;
}

export interface BatchNorm2dOptions {
  /** Added to the variance; 1e-5 if left out. */
  eps?: number;
  /** Share of a batch's statistics in the running ones; 0.1 if left out. */
  momentum?: number;
}

/** The layer that `batchNorm2d` makes: weight and bias [channels], running_mean and running_var [channels]. */
export class BatchNorm2d<Channels extends number = number> extends Module {
  declare readonly "~shapes": BatchNorm2dShape<Channels>;
  override readonly name = "BatchNorm2d";
  override readonly needsWholeBatch = true;
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly runningMean: Tensor;
  readonly runningVar: Tensor;
  readonly eps: number;
  private readonly momentum: number;

  constructor(
    readonly channels: Channels,
    options: BatchNorm2dOptions = {},
  ) {
    super();
    this.eps = options.eps ?? 1e-5;
    this.momentum = options.momentum ?? 0.1;
    if (!(this.momentum >= 0 && this.momentum <= 1))
      throw new RangeError(`BatchNorm2d: momentum is ${this.momentum}; give a share from 0 to 1`);
    this.weight = variable(ones([channels]), { requiresGrad: true });
    this.bias = variable(zeros([channels]), { requiresGrad: true });
    this.runningMean = variable(zeros([channels]));
    this.runningVar = variable(ones([channels]));
  }

  override namedParameters(): Map<string, Tensor> {
    return weightAndBias(this.weight, this.bias);
  }

  override namedBuffers(): Map<string, Tensor> {
    return new Map([
      ["running_mean", this.runningMean],
      ["running_var", this.runningVar],
    ]);
  }

  override outputShape(input: Shape): Shape {
    requireChannels("BatchNorm2d", input, this.channels, "channels");
    return input;
  }

  protected override compute(x: Tensor): Tensor {
    requireChannels("BatchNorm2d", x.shape.slice(1), this.channels, "channels");
    const [centred, variance] = this.training ? this.ofBatch(x) : this.ofRun(x);
    const normalized = div(centred, sqrt(add(variance, this.eps)));
    return add(mul(normalized, perChannel(this.weight)), perChannel(this.bias));
  }

  /** x less the batch's mean, and the batch's variance; the running ones take their share, the variance unbiased. */
  private ofBatch(x: Tensor): [Tensor, Tensor] {
    const [n, , h, w] = x.shape as [number, number, number, number];
    const count = n * h * w;
    if (count < 2)
      throw new RangeError(
        "BatchNorm2d: one value a channel has no variance; train on more than one, or call eval()",
      );
    const over = { axes: [0, 2, 3], keepDims: true };
    const average = mean(x, over);
    const centred = sub(x, average);
    const variance = mean(square(centred), over);
    const follow = (running: Tensor, batch: Tensor): void =>
      running.assign(
        add(mul(running, 1 - this.momentum), mul(reshape(batch.detach(), running.shape), this.momentum)),
      );
    follow(this.runningMean, average);
    follow(this.runningVar, mul(variance, count / (count - 1)));
    return [centred, variance];
  }

  private ofRun(x: Tensor): [Tensor, Tensor] {
    return [sub(x, perChannel(this.runningMean)), perChannel(this.runningVar)];
  }
}

/** [channels] so that it broadcasts over [n, channels, h, w]. */
function perChannel(values: Tensor): Tensor {
  return reshape(values, [1, -1, 1, 1]);
}

/**
 * Normalizes each channel of [channels, h, w] by the batch's mean and variance while training, by the running ones in
 * evaluation, then scales and shifts it (Ioffe and Szegedy, 2015). Throws a RangeError on another number of channels,
 * and where a batch holds one value a channel while training.
 */
export function batchNorm2d<Channels extends number>(
  channels: Channels,
  options: BatchNorm2dOptions = {},
): BatchNorm2d<Channels> {
  return new BatchNorm2d(channels, options);
}

export interface LocalResponseNormOptions {
  /** Neighbouring channels that count, the channel itself among them; 5 if left out, as in the paper. */
  size?: number;
  /** Weight of their mean square; 1e-4 if left out. */
  alpha?: number;
  /** 0.75 if left out. */
  beta?: number;
  /** 1 if left out; the paper takes 2. */
  k?: number;
}

/** The layer that `localResponseNorm` makes. */
export class LocalResponseNorm extends Module {
  declare readonly "~shapes": SameShape;
  override readonly name = "LocalResponseNorm";
  readonly options: Readonly<Required<LocalResponseNormOptions>>;

  constructor(options: LocalResponseNormOptions = {}) {
    super();
    const { size = 5, alpha = 1e-4, beta = 0.75, k = 1 } = options;
    if (!Number.isInteger(size) || size < 1)
      throw new RangeError(`LocalResponseNorm: size is ${size}; give a whole number of at least 1`);
    this.options = { size, alpha, beta, k };
  }

  override outputShape(input: Shape): Shape {
    return input;
  }

  protected override compute(x: Tensor): Tensor {
    const { size, alpha, beta, k } = this.options;
    const around = [Math.floor(size / 2), Math.floor((size - 1) / 2)] as const;
    const channels = x.shape[1]!;
    const squares = pad(
      square(x),
      x.shape.map((_, axis) => (axis === 1 ? around : ([0, 0] as const))),
    );
    const shifted = Array.from({ length: size }, (_, from) =>
      slice(squares, [0, from], [x.shape[0]!, from + channels]),
    );
    const sum = shifted.reduce((a, b) => add(a, b));
    return div(x, pow(add(mul(sum, alpha / size), k), beta));
  }
}

/**
 * Divides each value by (k + alpha * the mean of squares over `size` neighbouring channels) to the power beta
 * (Krizhevsky, Sutskever and Hinton, 2012, section 3.3, whose alpha is not divided by the size). PyTorch's
 * `LocalResponseNorm`. Throws a RangeError unless the size is a whole number of at least 1.
 */
export function localResponseNorm(options: LocalResponseNormOptions = {}): LocalResponseNorm {
  return new LocalResponseNorm(options);
}
