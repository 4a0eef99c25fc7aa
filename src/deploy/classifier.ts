import type { Normalization } from "../data/index.js";
import type { Sequential } from "../nn/index.js";
import { classify, type Guesses } from "./classify.js";
import { fitImage, type ImageInput } from "./image.js";
import { loadTrained } from "./saved_run.js";

export interface ClassifierOptions {
  /** One for each output of the network. */
  readonly classNames: readonly string[];
  /** What the network was trained with; pixels stay in [0, 1] if left out. */
  readonly normalization?: Normalization | null;
}

export interface PredictOptions {
  /** How many classes are told, 5 if left out. */
  readonly top?: number;
  /** Turn light into dark first: for dark things on white where the network knows light ones on black. */
  readonly invert?: boolean;
}

/**
 * Names what is in an image. One serves a whole process: calls may overlap, the device takes them in turn.
 *
 *     const classifier = await Classifier.load("runs/lenet");
 *     const [best] = await classifier.predict("photo.png", { invert: true });
 */
export class Classifier {
  readonly classNames: readonly string[];
  private readonly normalization: Normalization | null;
  private readonly channels: number;
  private readonly size: readonly [number, number];

  /** Switches `net` to prediction. Throws a RangeError unless it takes images and has one output a class. */
  constructor(
    private readonly net: Sequential,
    options: ClassifierOptions,
  ) {
    this.classNames = options.classNames;
    this.normalization = options.normalization ?? null;
    const [channels, height, width] = net.inputShape as [number, number, number];
    if (net.inputShape.length !== 3 || (channels !== 1 && channels !== 3)) {
      throw new RangeError(
        `Classifier: the network takes [${net.inputShape.join(", ")}]; it must take [1 or 3, height, width]`,
      );
    }
    const outputs = net.outputShape(net.inputShape);
    if (`${outputs}` !== `${this.classNames.length}`) {
      throw new RangeError(
        `Classifier: ${this.classNames.length} class names, but the network puts out [${outputs.join(", ")}]`,
      );
    }
    this.channels = channels;
    this.size = [height, width];
    net.eval();
  }

  /**
   * Of a run directory, or of weights that ship (`lenet`); `weights` names another file of weights, such as a checkpoint
   * of the run's. Throws a UserError if it is neither, or damaged.
   */
  static async load(run: string, { weights }: { readonly weights?: string } = {}): Promise<Classifier> {
    const { net, ...options } = await loadTrained(run, { weights });
    return new Classifier(net, options);
  }

  /**
   * The most probable classes of an image, best first. It is made grey or colour and brought to the network's size: a
   * larger one shrunk, a smaller one enlarged as in training, the rest left black. Throws a UserError on what is no
   * image, a RangeError on no `top`; files need sharp, pixels of the network's own size and channels do not.
   */
  async predict(image: ImageInput, { top = 5, invert = false }: PredictOptions = {}): Promise<Guesses> {
    if (!Number.isInteger(top) || top < 1)
      throw new RangeError(`predict: top is ${top}; give a whole number of at least 1`);
    const pixels = await fitImage(image, this.channels, this.size, invert);
    const { classNames, normalization, size } = this;
    return classify(this.net, pixels, { classNames, normalization, size, top });
  }
}
