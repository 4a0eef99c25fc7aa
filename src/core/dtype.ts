/** The element types a tensor can have: 32-bit floats, 32-bit signed integers, bytes. */
export type DType = "f32" | "i32" | "u8";

/** Bytes an element takes in memory. */
export function byteSize(dtype: DType): number {
  return dtype === "u8" ? 1 : 4;
}

/** A typed array over host memory, in the element type of a tensor. */
export type HostArray = Float32Array | Int32Array | Uint8Array;

/** A typed array of `dtype` over `bytes` (no copy), or a zeroed one of `length` elements. */
export function hostArray(dtype: DType, source: number | Uint8Array): HostArray {
  const Array_ = dtype === "f32" ? Float32Array : dtype === "i32" ? Int32Array : Uint8Array;
  if (typeof source === "number") return new Array_(source);
  return new Array_(source.buffer as ArrayBuffer, source.byteOffset, source.byteLength / byteSize(dtype));
}

/** The dtype that a host array holds. */
export function dtypeOf(array: HostArray): DType {
  return array instanceof Float32Array ? "f32" : array instanceof Int32Array ? "i32" : "u8";
}
