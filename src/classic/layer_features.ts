import { UserError } from "../core/errors.js";
import { elementCount } from "../core/shape.js";
import { type Normalization, normalize, requireNormalization } from "../data/normalization.js";
import { Sequential } from "../nn/index.js";
import { flatten } from "../ops/movement.js";
import { mean } from "../ops/reduce.js";
import { resize } from "../ops/resize.js";
import type { Tensor } from "../tensor/tensor.js";
import { isCount, type ModelState, requireSetting, Transformer, type WorkOptions } from "./estimator.js";
import { type ImageShape, imageShapeOf, imageTensor, mapBatches } from "./images.js";
import type { Matrix } from "./matrix.js";

export interface LayerFeaturesOptions {
  /** Height and width of the images in a row of pixels; squares if left out. They are resized to the network's size. */
  readonly imageSize?: readonly [number, number];
  /** What the network was trained with; pixels stay in [0, 1] if left out. */
  readonly normalization?: Normalization | null;
  /** Every number of a layer of feature maps, or each map's mean; `none` if left out. */
  readonly pool?: "none" | "average";
  /** Images at a time; 64 if left out. */
  readonly batchSize?: number;
}

/** Images, as rows of pixels in [0, 1], to what a layer of a network says of them. */
export class LayerFeatures extends Transformer {
  readonly kind = "layerFeatures";
  protected readonly learned = [];
  /** The network up to the layer. */
  private readonly head: Sequential;

  constructor(
    private readonly net: Sequential,
    layer: number | string,
    readonly options: LayerFeaturesOptions = {},
  ) {
    super();
    const { normalization, pool = "none", batchSize = 64 } = options;
    if (net.inputShape.length !== 3)
      throw new UserError(
        `the network takes [${net.inputShape.join(", ")}]; give one that takes images, [channels, height, width]`,
      );
    if (normalization) requireNormalization(normalization);
    requireSetting(pool === "none" || pool === "average", "pool", pool, "none or average");
    requireSetting(isCount(batchSize), "batchSize", batchSize, "a whole number of at least 1");
    this.head = headOf(net, layer);
  }

  /** Cannot be saved: its network is a program. Throws a UserError that says what to do instead. */
  override state(): ModelState {
    throw new UserError(
      "layerFeatures cannot be saved with its network; save the features' model alone, and make layerFeatures again around the network's own weights",
    );
  }

  protected override async learn(x: Matrix): Promise<void> {
    this.shapeOf(x);
  }

  protected override apply(x: Matrix, options: WorkOptions): Promise<Matrix> {
    const { normalization = null, batchSize = 64 } = this.options;
    const shape = this.shapeOf(x);
    const size = this.head.inputShape.slice(1) as [number, number];
    const record = (block: Matrix): Tensor => {
      const pixels = resize(normalize(imageTensor(block, shape), normalization), size);
      const wasTraining = this.net.training;
      this.head.eval();
      try {
        return this.pooled(this.head.forward(pixels));
      } finally {
        this.head.train(wasTraining);
      }
    };
    const output = this.head.outputShape();
    const columns = this.isPooled(output.length) ? output[0]! : elementCount(output);
    return mapBatches(x, batchSize, columns, record, options);
  }

  private shapeOf(x: Matrix): ImageShape {
    return imageShapeOf(x.columns, this.net.inputShape[0]!, this.options.imageSize);
  }

  private pooled(output: Tensor): Tensor {
    return this.isPooled(output.shape.length - 1) ? mean(output, { axes: [2, 3] }) : flatten(output, 1);
  }

  private isPooled(rank: number): boolean {
    return this.options.pool === "average" && rank === 3;
  }
}

/**
 * The learned features of a trained network: the output of a layer, with dropout off. The layer is a number, from the end
 * if negative (-2: what the last layer reads), or a name such as "4 ReLU", or "2.0 Conv2d" within a nested network.
 * `fit` only learns how many pixels an image has. Throws a UserError where there is no such layer or the network does not
 * take images, a RangeError on an impossible normalization.
 */
export function layerFeatures(
  net: Sequential,
  layer: number | string,
  options: LayerFeaturesOptions = {},
): LayerFeatures {
  return new LayerFeatures(net, layer, options);
}

/** A network's layers up to one, which share its parameters. */
function headOf(net: Sequential, layer: number | string): Sequential {
  const layers = [...net];
  const found =
    typeof layer === "string"
      ? upTo(net, layer, "")
      : Number.isInteger(layer) && layer >= -layers.length && layer < layers.length
        ? new Sequential(
            net.inputShape,
            ...layers.slice(0, layer < 0 ? layers.length + layer + 1 : layer + 1),
          )
        : undefined;
  if (!found)
    throw new UserError(
      `there is no layer ${JSON.stringify(layer)}; give a number below ${layers.length}, or one of ${namesOf(net, "").join(", ")}`,
    );
  return found;
}

function upTo(net: Sequential, name: string, prefix: string): Sequential | undefined {
  const layers = [...net];
  for (const [i, layer] of layers.entries()) {
    const isIt = `${prefix}${i} ${layer.name}` === name;
    const last = layer instanceof Sequential ? upTo(layer, name, `${prefix}${i}.`) : isIt && layer;
    if (last) return new Sequential(net.inputShape, ...layers.slice(0, i), last);
  }
  return undefined;
}

/** As layers are named in a run's metrics. */
function namesOf(net: Sequential, prefix: string): string[] {
  return [...net].flatMap((layer, i) =>
    layer instanceof Sequential ? namesOf(layer, `${prefix}${i}.`) : [`${prefix}${i} ${layer.name}`],
  );
}
