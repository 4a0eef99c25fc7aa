import type { ImageSetName, Normalization } from "../data/index.js";
import type { ConvolutionAlgorithm } from "../devices/device.js";
import type { RecipeName, RecipeSettings } from "./recipes.js";
import type { CheckpointInterval } from "./training_loop.js";

/** All that decides a run; what `config.json` holds. */
export interface RunConfig extends RecipeSettings {
  /** Whose settings these are, but for those that flags overrode. */
  readonly recipe: RecipeName;
  /** As numbers, so that a saved run keeps what it was trained with. */
  readonly normalize: Normalization | false;
  /** A name, or the path of a user's own file. */
  readonly model: string;
  readonly data: ImageSetName;
  readonly dataDir?: string;
  readonly sample: boolean;
  /** Height and width of the input. */
  readonly resize: number;
  readonly epochs: number;
  /** Examples that go through the network at once; `train()` chooses if left out. */
  readonly microBatchSize?: number;
  readonly seed: number;
  /** A safetensors file to start from. */
  readonly weights?: string;
  /** Runs of earlier versions wrote none. */
  readonly checkpointEvery?: CheckpointInterval;
  readonly keepCheckpoints?: number;
  /** Epochs without a better test accuracy that end the run. */
  readonly earlyStopping?: number;
  /** How convolutions are computed, since it decides the last bits; `auto` if left out. */
  readonly convolution?: ConvolutionAlgorithm;
  /** Which kernels WebGPU took, by class of problem, since they may decide the last bits; left out elsewhere. */
  readonly variants?: Readonly<Record<string, string>>;
  /** Of the file of a user's own model. */
  readonly modelChecksum?: string;
}
