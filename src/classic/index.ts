export { loadModel, saveModel } from "./model_file.js";
export * from "./portable.js";
