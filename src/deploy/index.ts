export {
  Classifier,
  type ClassifierOptions,
  type Guess,
  type Guesses,
  type PredictOptions,
} from "./classifier.js";
export type { ImageInput, Pixels } from "./image.js";
export { encodeOnnx, type OnnxOptions, onnxOpset } from "./onnx.js";
export { exportOnnx } from "./onnx_file.js";
