import { philox4x32 } from "../core/scalar.js";

/** Draws of the estimators are counted from here, so that no shuffle repeats them. */
const estimatorDraws = 0xc0000000;

/** Uniform numbers of [0, 1), one a call, that depend on the seed alone. */
export function uniforms(seed: number): () => number {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0] as const;
  let index = 0;
  return () => philox4x32([index++, estimatorDraws, 0, 0], key)[0] / 2 ** 32;
}

/** Normal numbers of mean 0 and deviation 1 likewise (Box-Muller). */
export function normals(seed: number): () => number {
  const unit = uniforms(seed);
  return () => Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit());
}
