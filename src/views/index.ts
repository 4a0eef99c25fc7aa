export { type CurveOptions, type CurvePoint, curvesSvg } from "./curves.js";
export { type ImagesOptions, imagesSvg } from "./images.js";
