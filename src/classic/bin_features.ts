import type { Bins } from "../devices/learners.js";
import { Stepper, type WorkOptions } from "./estimator.js";
import type { Matrix } from "./matrix.js";

const bins = 256;

/**
 * A bin for each distinct value where there are at most 256, else bins of about as many examples each. Progress counts
 * features.
 */
export async function binFeatures(x: Matrix, options: WorkOptions = {}): Promise<Bins> {
  const { rows, columns, values } = x;
  const made = {
    codes: new Uint8Array(rows * columns),
    lows: new Float32Array(columns * bins),
    highs: new Float32Array(columns * bins),
  };
  const column = new Float32Array(rows);
  const few = new FewValues(rows);
  const stepper = new Stepper(options, "features", columns);
  for (let j = 0; j < columns; j++) {
    // Zeros of either sign are one value.
    for (let i = 0; i < rows; i++) column[i] = values[i * columns + j]! + 0;
    const codes = made.codes.subarray(j * rows, (j + 1) * rows);
    const lows = made.lows.subarray(j * bins, (j + 1) * bins);
    const highs = made.highs.subarray(j * bins, (j + 1) * bins);
    const distinct = few.code(column, codes);
    if (distinct) {
      lows.set(distinct);
      highs.set(distinct);
    } else binMany(column, codes, lows, highs);
    await stepper.step(j + 1);
  }
  return made;
}

const slots = 1024;
const slotBits = 10;

/** Codes columns of few values by a table of them, which is many times as fast as sorting examples. */
class FewValues {
  /** The bits of the value in each slot, and the column, from 1, that put it there. */
  private readonly keys = new Uint32Array(slots);
  private readonly owners = new Uint32Array(slots);
  private readonly slotsOfRows: Uint16Array;
  private owner = 0;

  constructor(rows: number) {
    this.slotsOfRows = new Uint16Array(rows);
  }

  /** Writes the number of each row's value among the distinct ones, ascending, which it returns; null if there are too many. */
  code(column: Float32Array, codes: Uint8Array): Float32Array | null {
    const { keys, owners, slotsOfRows } = this;
    const owner = ++this.owner;
    const bits = new Uint32Array(column.buffer, column.byteOffset, column.length);
    const taken: number[] = [];
    for (let i = 0; i < bits.length; i++) {
      const key = bits[i]!;
      let slot = Math.imul(key, 0x9e3779b1) >>> (32 - slotBits);
      while (owners[slot] === owner && keys[slot] !== key) slot = (slot + 1) % slots;
      if (owners[slot] !== owner) {
        if (taken.length === bins) return null;
        owners[slot] = owner;
        keys[slot] = key;
        taken.push(slot);
      }
      slotsOfRows[i] = slot;
    }
    const valuesOfSlots = new Float32Array(keys.buffer);
    taken.sort((a, b) => valuesOfSlots[a]! - valuesOfSlots[b]!);
    const numbers = new Uint8Array(slots);
    for (const [number, slot] of taken.entries()) numbers[slot] = number;
    for (let i = 0; i < bits.length; i++) codes[i] = numbers[slotsOfRows[i]!]!;
    return Float32Array.from(taken, (slot) => valuesOfSlots[slot]!);
  }
}

/** Bins of about as many examples each, equal values together. */
function binMany(column: Float32Array, codes: Uint8Array, lows: Float32Array, highs: Float32Array): void {
  const rows = column.length;
  const sorted = column.slice().sort();
  let bin = 0;
  lows[0] = sorted[0]!;
  for (let i = 0; i < rows; i++) {
    if (i > 0 && sorted[i] !== sorted[i - 1] && i >= (rows / bins) * (bin + 1)) lows[++bin] = sorted[i]!;
    highs[bin] = sorted[i]!;
  }
  for (let i = 0; i < rows; i++) {
    let [low, high] = [0, bin];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (column[i]! <= highs[middle]!) high = middle;
      else low = middle + 1;
    }
    codes[i] = low;
  }
}
