import { byteSize } from "../core/dtype.js";
import { elementCount } from "../core/shape.js";
import { isWhole, type LStep, type LValue, operandsOf } from "./lowered.js";

const alignment = 256;

/** Byte offsets of all values that live in the arena, and the arena's size. */
export interface Arena {
  readonly offsets: ReadonlyMap<LValue, number>;
  readonly bytes: number;
}

/** One region of the arena: a value, or several that take it over from each other in place. */
interface Region {
  readonly bytes: number;
  readonly values: LValue[];
  first: number;
  last: number;
  offset: number;
}

/**
 * Lets values whose lives do not overlap share memory: largest first, each at the lowest offset that is free
 * throughout its life. A value read for the last time element by element is overwritten in place.
 */
export function reuse(steps: readonly LStep[], enabled = true): Arena {
  const first = new Map<LValue, number>();
  const last = new Map<LValue, number>();
  steps.forEach((step, at) => {
    const touched = [
      ...operandsOf(step).flatMap((one) => (one.kind === "value" ? [one.value] : [])),
      ...step.outputs.map((o) => o.value),
    ];
    for (const value of touched) {
      if (value.external !== null) continue;
      if (!first.has(value)) first.set(value, at);
      last.set(value, enabled ? at : steps.length);
    }
  });
  const regionOf = new Map<LValue, Region>();
  for (const [value, at] of first) {
    const taken = enabled ? inPlace(value, steps[at]!, at, last, regionOf) : null;
    if (taken) {
      taken.values.push(value);
      taken.last = last.get(value)!;
      regionOf.set(value, taken);
    } else {
      regionOf.set(value, {
        bytes: bytesOf(value),
        values: [value],
        first: at,
        last: last.get(value)!,
        offset: 0,
      });
    }
  }
  const regions = [...new Set(regionOf.values())].sort((a, b) => b.bytes - a.bytes || a.first - b.first);
  const placed: Region[] = [];
  let total = 0;
  for (const region of regions) {
    const busy = placed
      .filter((other) => other.first <= region.last && region.first <= other.last)
      .sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const other of busy) {
      if (offset + region.bytes <= other.offset) break;
      offset = Math.max(offset, other.offset + other.bytes);
    }
    region.offset = offset;
    total = Math.max(total, offset + region.bytes);
    placed.push(region);
  }
  const offsets = new Map<LValue, number>();
  for (const region of regions) for (const value of region.values) offsets.set(value, region.offset);
  return { offsets, bytes: total };
}

function bytesOf(value: LValue): number {
  return Math.ceil(Math.max(1, elementCount(value.shape) * byteSize(value.dtype)) / alignment) * alignment;
}

/** The region of an extra that dies in this step and lies exactly as the output will. */
function inPlace(
  value: LValue,
  step: LStep,
  at: number,
  last: Map<LValue, number>,
  regionOf: Map<LValue, Region>,
): Region | null {
  const output = step.outputs.find((o) => o.value === value)!;
  if (output.views.length > 0) return null;
  for (const operand of step.extras) {
    if (operand.kind !== "value" || operand.value.external !== null || !isWhole(operand)) continue;
    const old = operand.value;
    const region = regionOf.get(old);
    const alike =
      byteSize(old.dtype) === byteSize(value.dtype) &&
      `${old.strides}` === `${value.strides}` &&
      `${old.shape}` === `${value.shape}`;
    const isOnlyReader =
      !step.inputs.some((one) => one.kind === "value" && one.value === old) &&
      step.extras.every((one) => one.kind !== "value" || one.value !== old || isWhole(one));
    if (region && alike && isOnlyReader && last.get(old) === at && region.last === at) return region;
  }
  return null;
}
