import { UserError } from "../../core/errors.js";
import { type ConvolutionAlgorithm, convolutionAlgorithms } from "../device.js";

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
 * workgroup memory; each thread computes `rows` x `columns` results. Otherwise each thread for itself, no barrier. All sum
 * over k in the same order.
 */
export interface ProductVariant {
  readonly name: string;
  readonly shared: boolean;
  readonly rows: number;
  /** A multiple of 4. */
  readonly columns: number;
  readonly depth: number;
}

/**
 * How a reduction with few results is shared: by a workgroup whose threads bring their results together in its memory
 * (`workgroup`), or in registers first (`subgroups`: the adapter must have them, and WGSL their numbers), or by nobody
 * (`threads`: one a result). The order of the sum differs.
 */

/** Whoever changes a kernel so that another variant may be faster, or a variant's meaning, counts this up. */
export const variantsVersion = 2;

export const productVariants = [
  { name: "shared-128", shared: true, rows: 8, columns: 8, depth: 8 },
  { name: "shared-64", shared: true, rows: 4, columns: 4, depth: 16 },
  { name: "shared-32", shared: true, rows: 2, columns: 4, depth: 16 },
  { name: "registers-large", shared: false, rows: 8, columns: 8, depth: 1 },
  { name: "registers", shared: false, rows: 8, columns: 4, depth: 1 },
  { name: "registers-small", shared: false, rows: 4, columns: 4, depth: 1 },
] as const satisfies readonly ProductVariant[];

export const reductionVariants = ["workgroup", "subgroups", "threads"] as const;

/** How a 3x3 convolution of wide channels is computed (winograd.ts); `--convolution` pins it. */
export type ConvolutionVariantName = Exclude<ConvolutionAlgorithm, "auto">;
export const convolutionVariants = convolutionAlgorithms.filter((name) => name !== "auto");

export type ProductVariantName = (typeof productVariants)[number]["name"];
export type ReductionVariantName = (typeof reductionVariants)[number];
/** What `--variant` pins. */
export type VariantName = ProductVariantName | ReductionVariantName;

/** By class of problem, so that a measurement is short and a plan's shapes alone decide the rest. */
export type ChosenVariants = {
  /** Products with at least 96 rows and columns, and tiles of 128 x 128 enough for a large GPU. */
  readonly large: ProductVariantName;
  /** With at least 24 rows and columns and 16 to sum. */
  readonly medium: ProductVariantName;
  readonly thin: ProductVariantName;
  readonly reduction: ReductionVariantName;
  readonly convolution: ConvolutionVariantName;
};

export const problemClasses = ["large", "medium", "thin", "reduction", "convolution"] as const;
export type ProblemClass = (typeof problemClasses)[number];

/** Names of the variants that a class of problems may take on an adapter with subgroups, or without. */
export function candidates(
  problem: ProblemClass,
  hasSubgroups: boolean,
): readonly ChosenVariants[ProblemClass][] {
  if (problem === "convolution") return convolutionVariants;
  if (problem !== "reduction") return productVariants.map(({ name }) => name);
  return reductionVariants.filter((name) => hasSubgroups || name !== "subgroups");
}

/** What is taken where nothing was measured. Software adapters run barriers too slowly to share anything. */
export function usualVariants(isSoftware: boolean): ChosenVariants {
  return isSoftware
    ? {
        large: "registers-large",
        medium: "registers-large",
        thin: "registers-large",
        reduction: "threads",
        convolution: "direct",
      }
    : {
        large: "shared-128",
        medium: "shared-64",
        thin: "registers",
        reduction: "workgroup",
        convolution: "direct",
      };
}

/** How a user asks for variants; see `DeviceOptions`. */
export const variantOptions = [
  "auto",
  "measure",
  ...productVariants.map(({ name }) => name),
  ...reductionVariants,
] as const;
export type VariantOption = (typeof variantOptions)[number] | Readonly<Record<string, string>>;

/**
 * The variants that a user pinned: one name, of products or of reductions, or what a run recorded. The rest is as usual.
 * What a run recorded and this adapter cannot do is as usual too. Throws a UserError where there is no variant of the name,
 * or the adapter cannot do it.
 */
export function pinnedVariants(
  pinned: VariantName | Readonly<Record<string, string>>,
  usual: ChosenVariants,
  hasSubgroups: boolean,
): ChosenVariants {
  if (typeof pinned !== "string") {
    const kept = problemClasses.map((problem) => {
      const can = candidates(problem, hasSubgroups).find((name) => name === pinned[problem]);
      return [problem, can ?? usual[problem]];
    });
    return Object.fromEntries(kept) as ChosenVariants;
  }
  const classes = problemClasses.filter(
    (problem) => problem !== "convolution" && candidates(problem, true).includes(pinned),
  );
  if (classes.length === 0)
    throw new UserError(`variant is ${JSON.stringify(pinned)}; choose one of ${variantOptions.join(", ")}`);
  if (!candidates(classes[0]!, hasSubgroups).includes(pinned))
    throw new UserError(
      `the variant ${pinned} needs a GPU with subgroups, which this one lacks; leave it out`,
    );
  return { ...usual, ...Object.fromEntries(classes.map((problem) => [problem, pinned])) };
}

/** How many workgroups keep a large GPU busy. */
const busy = 128;

/** The class of a product, by shapes alone. */
export function classOf(shape: GemmShape): Exclude<ProblemClass, "reduction" | "convolution"> {
  const { m, n, k } = shape;
  if (m >= 96 && n >= 96 && workgroupsOf(shape, productVariants[0]) >= busy) return "large";
  return m >= 24 && n >= 24 && k >= 16 ? "medium" : "thin";
}

export function productVariant(shape: GemmShape, chosen: ChosenVariants): ProductVariant {
  return productVariants.find(({ name }) => name === chosen[classOf(shape)])!;
}

/** Workgroups of a shared variant, splits included. */
export function workgroupsOf(
  { batches, splits, m, n }: GemmShape,
  { rows, columns }: ProductVariant,
): number {
  return batches * splits * Math.ceil(m / (16 * rows)) * Math.ceil(n / (16 * columns));
}
