/**
 * The closed union of kernel kinds. A device is an exhaustive switch over it, so a missing kind does not
 * compile. Attributes here, operands and shapes in the step; tensors are [N, C, H, W] by index, wherever
 * their strides put them.
 */
export type Pair = readonly [number, number];
/** Rows before, rows after, columns before, columns after. */
export type Padding = readonly [top: number, bottom: number, left: number, right: number];

export interface ConvGeometry {
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
  readonly groups: number;
}

export interface WindowGeometry {
  readonly kernelSize: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
}

export type ReduceOp = "sum" | "max" | "min" | "argmax" | "logSumExp";
export type WindowOp = "max" | "sum";

export type Kernel =
  /** No core: outputs are expressions over the extras. */
  | { readonly kind: "pointwise" }
  /**
   * core0 = the reduction of `pre` over the axes, which stay as size 1. argmax: one axis, the first maximum, i32.
   * logSumExp: one axis, log(sum(exp(pre))) without overflow, f32; core1 = argmax.
   */
  | { readonly kind: "reduce"; readonly op: ReduceOp; readonly axes: readonly number[] }
  /** core0[..., m, n] = sum over k of inputs0[..., m, k] * inputs1[..., k, n]; transposes are strides. */
  | { readonly kind: "matmul" }
  /** core0[n, o, y, x] = convolution of inputs0 [n, c, h, w] with inputs1 [o, c / groups, kh, kw]. */
  | ({ readonly kind: "conv2d" } & ConvGeometry)
  /** core0 = gradient by the input: inputs0 = upstream [n, o, y, x], inputs1 = weight. */
  | ({ readonly kind: "conv2dInputGrad" } & ConvGeometry)
  /** core0 = gradient by the weight: inputs0 = input, inputs1 = upstream. */
  | ({ readonly kind: "conv2dWeightGrad" } & ConvGeometry)
  /** core0 = max or sum over windows of inputs0; for max, core1 = tap number (row * kernel width + column), i32. */
  | ({ readonly kind: "window"; readonly op: WindowOp } & WindowGeometry)
  /** core0 = gradient by the window's input: inputs0 = upstream; for max, inputs1 = tap numbers. */
  | ({ readonly kind: "windowGrad"; readonly op: WindowOp } & WindowGeometry)
  /** core0[i..., r...] = inputs0[inputs1[i...], r...]; an index out of range reads 0. */
  | { readonly kind: "gather" }
  /** core0[row, r...] = sum over i with inputs1[i...] = row of inputs0[i..., r...], in index order. */
  | { readonly kind: "scatterAdd" }
  /** core0 = bilinear resize of inputs0, half-pixel centres, edges clamped (torchvision's Resize without antialias). */
  | { readonly kind: "resize" }
  /** core0 = gradient by the resize's input. */
  | { readonly kind: "resizeGrad" };

export type KernelKind = Kernel["kind"];

/** Stable text of a kernel with its attributes, for cache keys and listings. */
export function showKernel(kernel: Kernel): string {
  const { kind, ...attributes } = kernel;
  const parts = Object.entries(attributes).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return parts.length ? `${kind}(${parts.join(" ")})` : kind;
}
