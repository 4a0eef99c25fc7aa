import { percent } from "./percent.js";

/** Every text that the views of a network write themselves; names of classes and layers are the caller's. */
export interface Words {
  readonly confusion: string;
  readonly predicted: string;
  readonly right: (name: string, share: number) => string;
  readonly takenFor: (truth: string, predicted: string) => string;
  readonly mistakes: string;
  readonly noMistakes: string;
  readonly sure: (share: number) => string;
  readonly isReally: (truth: string) => string;
  readonly kernels: string;
  readonly kernel: (number: number) => string;
  readonly kernelCount: (units: number, height: number, width: number, channels: number) => string;
  readonly firstDrawn: (count: number) => string;
  readonly gradientNorms: string;
  readonly deadShares: string;
  readonly accuracy: string;
  readonly best: string;
}

export const englishWords: Words = {
  confusion: "Confusion matrix",
  predicted: "predicted",
  right: (name, share) => `${name}: ${percent(share)} right`,
  takenFor: (truth, predicted) => `${truth} taken for ${predicted}`,
  mistakes: "Worst mistakes",
  noMistakes: "No mistakes.",
  sure: (share) => `${percent(share)} sure`,
  isReally: (truth) => `is ${truth}`,
  kernels: "First-layer kernels",
  kernel: (number) => `kernel ${number}`,
  kernelCount: (units, height, width, channels) =>
    `${units} kernels of ${height} x ${width}, ${channels === 1 ? "one channel" : `${channels} channels`}`,
  firstDrawn: (count) => `the first ${count} are drawn`,
  gradientNorms: "Gradient norm by layer",
  deadShares: "Dead ReLUs by layer",
  accuracy: "Test accuracy",
  best: "best",
};
