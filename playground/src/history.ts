/** What the history's worker is asked for. */
export interface HistoryRequest {
  /** Where the sample's files lie. */
  readonly folder: string;
  readonly learners: readonly LiveName[];
}

export const liveNames = ["softmax", "forest", "lenet"] as const;
export type LiveName = (typeof liveNames)[number];

export type HistoryReport =
  | { readonly type: "progress"; readonly name: LiveName; readonly share: number }
  | { readonly type: "accuracy"; readonly name: LiveName; readonly accuracy: number }
  | { readonly type: "done"; readonly seconds: number }
  | { readonly type: "failed"; readonly sentence: string };
