import type { Bins, ForestSettings, GrownTree, Watch } from "../devices/learners.js";
import { SplitMix } from "./splitmix.js";

const bins = 256;
/** Other work of the thread gets its turn at least so often, in milliseconds. */
const patience = 30;

/** What native/forest.cc grows, to the same bits, in plain loops: for devices that have no learners. */
export async function growForest(
  binned: Bins,
  labels: Int32Array,
  settings: ForestSettings,
  { signal, onProgress }: Watch,
): Promise<GrownTree[]> {
  const trees: GrownTree[] = [];
  let rested = performance.now();
  for (let t = 0; t < settings.trees; t++) {
    signal?.throwIfAborted();
    trees.push(new Grower(binned, labels, settings, t).grow());
    if (performance.now() - rested < patience && trees.length < settings.trees) continue;
    onProgress?.(trees.length);
    await new Promise((resolve) => setTimeout(resolve));
    rested = performance.now();
  }
  return trees;
}

interface Split {
  readonly score: number;
  readonly feature: number;
  /** The last one that goes left. */
  readonly bin: number;
  readonly threshold: number;
}

const noSplit: Split = { score: -1, feature: -1, bin: 0, threshold: 0 };

class Grower {
  private readonly examples: number;
  private readonly random: SplitMix;
  private readonly order: Int32Array;
  /** Of the tree: each example that was drawn, and how often. */
  private readonly rows: Int32Array;
  private readonly weights: Int32Array;
  private readonly spare: Int32Array;
  private readonly total: Int32Array;
  private readonly left: Int32Array;
  private readonly histogram: Int32Array;
  private readonly rowsOfBin = new Int32Array(bins);
  /** A bit for each bin that holds an example. */
  private readonly used = new Int32Array(bins / 32);

  constructor(
    private readonly binned: Bins,
    private readonly labels: Int32Array,
    private readonly settings: ForestSettings,
    number: number,
  ) {
    const { features, classes, bootstrap, seed } = settings;
    this.examples = labels.length;
    this.random = new SplitMix(seed, number);
    this.order = Int32Array.from({ length: features }, (_, k) => k);
    this.weights = new Int32Array(this.examples).fill(bootstrap ? 0 : 1);
    if (bootstrap) for (let i = 0; i < this.examples; i++) this.weights[this.random.below(this.examples)]!++;
    this.rows = Int32Array.from(this.weights.keys()).filter((row) => this.weights[row]! > 0);
    this.spare = new Int32Array(this.rows.length);
    this.total = new Int32Array(classes);
    this.left = new Int32Array(classes);
    this.histogram = new Int32Array(bins * classes);
  }

  grow(): GrownTree {
    const { classes, minSamplesSplit, maxDepth } = this.settings;
    const nodes: number[] = [];
    const thresholds: number[] = [];
    const values: number[] = [];
    /** The row of leaves that hold one class only: most do, and share it. */
    const pure = new Map<number, number>();
    /** `parent`: whose right child this is, or -1. */
    const open = [{ begin: 0, end: this.rows.length, depth: 0, parent: -1 }];
    for (let node = open.pop(); node; node = open.pop()) {
      const { begin, end, depth, parent } = node;
      const number = thresholds.length;
      if (parent >= 0) nodes[2 * parent + 1] = number;
      const weight = this.count(begin, end);
      const isPure = this.total.includes(weight);
      const mayBeSplit = !isPure && end - begin >= minSamplesSplit && depth < maxDepth;
      const split = mayBeSplit ? this.choose(begin, end, weight) : noSplit;
      thresholds.push(split.threshold);
      if (split.feature < 0) {
        const own = isPure ? this.total.indexOf(weight) : -1;
        const row = pure.get(own) ?? values.length / classes;
        if (own >= 0) pure.set(own, row);
        nodes.push(-1, row);
        if (row * classes === values.length)
          for (let c = 0; c < classes; c++) values.push(this.total[c]! / weight);
        continue;
      }
      nodes.push(split.feature, 0);
      const cut = this.partition(begin, end, split);
      open.push({ begin: cut, end, depth: depth + 1, parent: number });
      open.push({ begin, end: cut, depth: depth + 1, parent: -1 });
    }
    return {
      nodes: Int32Array.from(nodes),
      thresholds: Float32Array.from(thresholds),
      values: Float32Array.from(values),
    };
  }

  /** Rows that go left come first, both sides in their order; where the right side begins. */
  private partition(begin: number, end: number, { feature, bin }: Split): number {
    const { rows, spare, binned } = this;
    const column = feature * this.examples;
    let [left, right] = [begin, 0];
    for (let i = begin; i < end; i++) {
      const row = rows[i]!;
      if (binned.codes[column + row]! <= bin) rows[left++] = row;
      else spare[right++] = row;
    }
    rows.set(spare.subarray(0, right), left);
    return left;
  }

  private count(begin: number, end: number): number {
    const { total, rows, weights, labels } = this;
    total.fill(0);
    let weight = 0;
    for (let i = begin; i < end; i++) {
      const row = rows[i]!;
      total[labels[row]!]! += weights[row]!;
      weight += weights[row]!;
    }
    return weight;
  }

  /** The best of `maxFeatures` features drawn at random; more are drawn while all of them are constant here. */
  private choose(begin: number, end: number, weight: number): Split {
    const { order, random } = this;
    const { features, maxFeatures } = this.settings;
    let best = noSplit;
    let hasVaried = false;
    for (let drawn = 0; drawn < features && (drawn < maxFeatures || !hasVaried); drawn++) {
      const other = drawn + random.below(features - drawn);
      const feature = order[other]!;
      order[other] = order[drawn]!;
      order[drawn] = feature;
      const found = this.tryFeature(feature, begin, end, weight, best);
      if (!found) continue;
      hasVaried = true;
      best = found;
    }
    return best;
  }

  /** Gini: what both sides' squared counts over their weights add up to, the larger the purer. Null where constant. */
  private tryFeature(feature: number, begin: number, end: number, weight: number, before: Split) {
    const { histogram, left, total, rows, weights, labels, rowsOfBin, used } = this;
    const { codes, lows, highs } = this.binned;
    const { classes, minSamplesLeaf, randomSplits } = this.settings;
    const column = feature * this.examples;
    const table = feature * bins;
    for (let i = begin; i < end; i++) {
      const row = rows[i]!;
      const bin = codes[column + row]!;
      histogram[bin * classes + labels[row]!]! += weights[row]!;
      rowsOfBin[bin]!++;
      used[bin >> 5]! |= 1 << (bin & 31);
    }
    const list: number[] = [];
    for (const [word, bits] of used.entries())
      for (let rest = bits; rest !== 0; rest &= rest - 1)
        list.push(32 * word + 31 - Math.clz32(rest & -rest));
    used.fill(0);
    const last = list.length - 1;
    const lowest = highs[table + list[0]!]!;
    const threshold =
      randomSplits && last > 0 ? lowest + this.random.unit() * (highs[table + list[last]!]! - lowest) : 0;
    left.fill(0);
    let [leftWeight, leftRows, best] = [0, 0, before];
    for (const [k, bin] of list.entries()) {
      let [lefts, rights] = [0, 0];
      for (let c = 0; c < classes; c++) {
        const here = histogram[bin * classes + c]!;
        histogram[bin * classes + c] = 0;
        left[c]! += here;
        leftWeight += here;
        lefts += left[c]! * left[c]!;
        rights += (total[c]! - left[c]!) ** 2;
      }
      leftRows += rowsOfBin[bin]!;
      rowsOfBin[bin] = 0;
      if (k === last) break;
      const [below, above] = [highs[table + bin]!, lows[table + list[k + 1]!]!];
      const isCut = below <= threshold && (highs[table + list[k + 1]!]! > threshold || k + 1 === last);
      if (randomSplits && !isCut) continue;
      if (leftRows < minSamplesLeaf || end - begin - leftRows < minSamplesLeaf) continue;
      const score = lefts / leftWeight + rights / (weight - leftWeight);
      if (score <= best.score) continue;
      // Halfway to the next value that occurs in this node, or at random, and never at the next value itself.
      const cut = Math.fround(randomSplits ? threshold : (below + above) / 2);
      best = { score, feature, bin, threshold: cut >= below && cut < above ? cut : below };
    }
    return last > 0 ? best : null;
  }
}
