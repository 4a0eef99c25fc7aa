/** A product's size. */
export interface GemmShape {
  readonly batches: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** How many workgroups share the sum over k. */
  readonly splits: number;
}

/**
 * How a product is cut up. `shared`: a workgroup of 16 x 16 threads keeps `depth` columns of A and rows of B in
 * workgroup memory; each thread computes `rows` x `columns` results. `registers`: each thread for itself, no barrier.
 */
export interface Variant {
  readonly name: string;
  readonly shared: boolean;
  readonly rows: number;
  /** A multiple of 4. */
  readonly columns: number;
  readonly depth: number;
}

/** Largest tiles first; the last works everywhere. */
export const variants = [
  { name: "shared-128", shared: true, rows: 8, columns: 8, depth: 8 },
  { name: "shared-64", shared: true, rows: 4, columns: 4, depth: 16 },
  { name: "registers", shared: false, rows: 8, columns: 4, depth: 1 },
] as const satisfies readonly Variant[];

export type VariantName = (typeof variants)[number]["name"];

/** How many workgroups keep a large GPU busy. */
const busy = 128;

/**
 * The variant for a product: the one that is pinned, else the largest tile that leaves enough workgroups and wastes
 * little at the edges. Software adapters run barriers too slowly for shared tiles. By shapes alone, so that sums keep
 * their order.
 */
export function chooseVariant(shape: GemmShape, isSoftware: boolean, pinned: VariantName | null): Variant {
  if (pinned) return variants.find(({ name }) => name === pinned)!;
  const [large, medium, registers] = variants;
  if (isSoftware) return registers;
  if (shape.m >= 96 && shape.n >= 96 && workgroupsOf(shape, large) >= busy) return large;
  return shape.m >= 24 && shape.n >= 24 && shape.k >= 16 ? medium : registers;
}

/** Workgroups of a shared variant, splits included. */
export function workgroupsOf({ batches, splits, m, n }: GemmShape, { rows, columns }: Variant): number {
  return batches * splits * Math.ceil(m / (16 * rows)) * Math.ceil(n / (16 * columns));
}
