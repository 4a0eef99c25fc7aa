export {
  Classifier,
  type ClassifierOptions,
  type PredictOptions,
} from "./classifier.js";
export {
  type ClassifyOptions,
  classify,
  type Guess,
  type Guesses,
  type Pixels,
} from "./classify.js";
export type { ImageInput } from "./image.js";
export { encodeOnnx, type OnnxOptions, onnxOpset } from "./onnx.js";
export { exportOnnx } from "./onnx_file.js";
