import type { DeviceTraits } from "../devices/device.js";
import type { Node } from "../graph/graph.js";
import { type Encoded, encode } from "./encode.js";
import { fuse } from "./fuse.js";
import { lower } from "./lower.js";
import { order } from "./order.js";
import { reuse } from "./reuse.js";

export interface Compiled extends Encoded {
  /** Indices of the nodes that have a value once the plan has run. */
  readonly results: readonly number[];
}

/** Which passes run; all of them, but for tests that hold each to the plain plan. */
export interface Passes {
  readonly fuse: boolean;
  readonly reuse: boolean;
}

export const allPasses: Passes = { fuse: true, reuse: true };

/** A recorded graph (inputs first) to a plan: lower, fuse, order, reuse, encode. Knows no device but its traits. */
export function compile(
  nodes: readonly Node[],
  results: ReadonlySet<Node>,
  traits: DeviceTraits,
  passes: Passes = allPasses,
): Compiled {
  const lowered = lower(nodes, results, traits);
  const fused = passes.fuse ? fuse(lowered) : lowered;
  const ordered = order(fused);
  const encoded = encode(ordered, reuse(ordered, passes.reuse));
  return { ...encoded, results: nodes.flatMap((node, index) => (results.has(node) ? [index] : [])) };
}
