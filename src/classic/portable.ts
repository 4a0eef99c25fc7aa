export {
  Classifier,
  Estimator,
  type FitProgress,
  Transformer,
  type WorkOptions,
} from "./estimator.js";
export { extraTreesClassifier, type Forest, type ForestOptions, randomForestClassifier } from "./forest.js";
export { type BlockNorm, type HogOptions, hogFeatures } from "./hog.js";
export { type KMeans, type KMeansOptions, kMeans } from "./k_means.js";
export {
  type KNeighborsClassifier,
  type KNeighborsOptions,
  kNeighborsClassifier,
  type Neighbors,
} from "./k_neighbors.js";
export { type LayerFeatures, type LayerFeaturesOptions, layerFeatures } from "./layer_features.js";
export { type LinearSvc, type LinearSvcOptions, linearSvc } from "./linear_svc.js";
export {
  type LogisticRegression,
  type LogisticRegressionOptions,
  logisticRegression,
} from "./logistic_regression.js";
export { concatFeatures, type Matrix, matrix, pixelFeatures, takeRows } from "./matrix.js";
export { type Pca, type PcaOptions, pca } from "./pca.js";
export { type Pipeline, pipeline } from "./pipeline.js";
export {
  type RandomConvFeatures,
  type RandomConvOptions,
  randomConvFeatures,
} from "./random_conv_features.js";
export { type StandardScaler, standardScaler } from "./standard_scaler.js";
export { type Svc, type SvcOptions, svc } from "./svc.js";
export type { KernelName } from "./svm_kernel.js";
export { type VisualWords, type VisualWordsOptions, visualWords } from "./visual_words.js";
