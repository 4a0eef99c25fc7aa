export { encodeOnnx, exportOnnx, type OnnxOptions, onnxOpset } from "./onnx.js";
