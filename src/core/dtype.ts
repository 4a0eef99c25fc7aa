import type { Unknown } from "./shape_types.js";

/** The element types a tensor can have: 32-bit floats, 32-bit signed integers, bytes. */
export type DType = "f32" | "i32" | "u8";

/** Bytes an element takes in memory. */
export function byteSize(dtype: DType): number {
  return dtype === "u8" ? 1 : 4;
}

/** A typed array over host memory, in the element type of a tensor. */
export type HostArray = Float32Array | Int32Array | Uint8Array;

/** The typed array that holds elements of a type. */
export type HostArrayOf<D> = 0 extends 1 & D
  ? HostArray
  : D extends "f32"
    ? Float32Array
    : D extends "i32"
      ? Int32Array
      : D extends "u8"
        ? Uint8Array
        : HostArray;

/** The element type that a typed array, or an array of numbers, is stored as. */
export type DTypeOf<Values> = Values extends Int32Array ? "i32" : Values extends Uint8Array ? "u8" : "f32";

/** The element type of an arithmetic result: f32 wins, bytes become i32. */
export type Promote<A, B> = true extends IsFloat<A> | IsFloat<B>
  ? "f32"
  : 0 extends 1 & (A | B)
    ? Unknown
    : "i32";

type IsFloat<D> = 0 extends 1 & D ? false : [D] extends ["f32"] ? true : false;

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
