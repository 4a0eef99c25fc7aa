import type { Glimpse, Guesses, Results } from "flybrick";

/** What the visitor sees of the network that trains: nothing is computed for panels that are not shown. */
export interface Wanted {
  readonly inside: { readonly garment: number; readonly layer: string | null } | null;
  readonly results: boolean;
}

/** A picture in grey, light on dark, as the network's images are. */
export interface Picture {
  readonly data: Uint8ClampedArray<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
}

/** What the page asks of the worker that trains, about the network of its last run. */
export type LookRequest =
  | ({ readonly type: "watch" } & Wanted)
  | { readonly type: "classify"; readonly picture: Picture };

/** A test image to choose. */
export interface Garment extends Picture {
  readonly number: number;
  /** Of its class, in the set's order. */
  readonly label: number;
}

/** What the worker sees; `of` is the run's number, `position` how many epochs it had behind it. */
export type LookReport =
  | {
      readonly type: "garments";
      readonly of: number;
      readonly garments: readonly Garment[];
      readonly classNames: readonly string[];
    }
  | {
      readonly type: "inside";
      readonly of: number;
      readonly position: number;
      readonly garment: number;
      readonly glimpse: Glimpse;
    }
  | { readonly type: "results"; readonly of: number; readonly position: number; readonly results: Results }
  | { readonly type: "guesses"; readonly guesses: Guesses }
  /** Why something cannot be seen. */
  | { readonly type: "unseen"; readonly what: "inside" | "results" | "guesses"; readonly sentence: string };

const kinds: readonly string[] = [
  "garments",
  "inside",
  "results",
  "guesses",
  "unseen",
] satisfies LookReport["type"][];

export function isLook<R extends { readonly type: string }>(report: R): report is Extract<R, LookReport> {
  return kinds.includes(report.type);
}
