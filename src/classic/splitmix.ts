import { mulHigh } from "../core/scalar.js";

/** splitmix64 (Steele, Lea and Flood, 2014), the twin of native/random.h: 64 bits as two halves. */
export class SplitMix {
  private high: number;
  private low: number;

  /** The numbers of one task among many under a seed. */
  constructor(seed: number, task: number) {
    this.high = Math.floor(seed / 2 ** 32) >>> 0;
    this.low = seed >>> 0;
    this.next();
    const { mixedHigh, mixedLow } = this;
    this.multiply(0, task + 1, 0xd1342543, 0xde82ef95);
    this.high = (mixedHigh ^ this.mixedHigh) >>> 0;
    this.low = (mixedLow ^ this.mixedLow) >>> 0;
  }

  /** The halves of the number drawn last. */
  private mixedHigh = 0;
  private mixedLow = 0;

  /** A whole number of at least 0 and below `n`, at most 2^32. */
  below(n: number): number {
    this.next();
    return mulHigh(this.mixedHigh, n);
  }

  /** A number of [0, 1). */
  unit(): number {
    this.next();
    return (this.mixedHigh * 2 ** 21 + (this.mixedLow >>> 11)) * 2 ** -53;
  }

  private next(): void {
    const low = this.low + 0x7f4a7c15;
    this.high = (this.high + 0x9e3779b9 + (low >= 2 ** 32 ? 1 : 0)) >>> 0;
    this.low = low >>> 0;
    this.shifted(this.high, this.low, 30);
    this.multiply(this.mixedHigh, this.mixedLow, 0xbf58476d, 0x1ce4e5b9);
    this.shifted(this.mixedHigh, this.mixedLow, 27);
    this.multiply(this.mixedHigh, this.mixedLow, 0x94d049bb, 0x133111eb);
    this.shifted(this.mixedHigh, this.mixedLow, 31);
  }

  /** z ^ z >> by, of a number of which `by` is less than 32. */
  private shifted(high: number, low: number, by: number): void {
    this.mixedHigh = (high ^ (high >>> by)) >>> 0;
    this.mixedLow = (low ^ ((low >>> by) | (high << (32 - by)))) >>> 0;
  }

  private multiply(aHigh: number, aLow: number, bHigh: number, bLow: number): void {
    this.mixedHigh = (mulHigh(aLow, bLow) + Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh)) >>> 0;
    this.mixedLow = Math.imul(aLow, bLow) >>> 0;
  }
}
