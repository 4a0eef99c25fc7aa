import { factorFunctions, type Gemm, registerTiles, sharedTiles } from "./gemm.js";
import type { Kernel } from "./shader.js";
import { slidingTiles } from "./sliding.js";
import type { ProductVariant } from "./variants.js";

/** c[batch, m, n] = sum over k of a[batch, m, k] * b[batch, k, n], cut up as `variant` says. */
export function gemm(product: Gemm, variant: ProductVariant, functions: string): Kernel {
  const { names } = product.inner;
  const all = factorFunctions("a", product.a, names) + factorFunctions("b", product.b, names) + functions;
  if (variant.shared) return sharedTiles(product, variant, all);
  return product.slides
    ? slidingTiles(product, product.slides, variant, all)
    : registerTiles(product, variant, all);
}
