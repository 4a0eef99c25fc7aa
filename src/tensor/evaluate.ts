import { allPasses, type Compiled, compile, type Passes } from "../compile/compile.js";
import type { DType } from "../core/dtype.js";
import { UserError } from "../core/errors.js";
import { showShape } from "../core/shape.js";
import type { Binding, Device, Prepared } from "../devices/device.js";
import { type Node, record, siteOf } from "../graph/graph.js";
import { Storage } from "../graph/storage.js";

/** Nodes that one evaluation may compute; a loop that only ever adds to a tensor runs into it. */
const maxPending = 20_000;

let device: Device | null = null;
let passes: Passes = allPasses;
/** Assignments recorded and not yet queued. */
let pending: Node[] = [];

/** What holds a gradient that `backward()` recorded. */
interface GradientHolder {
  readonly grad: { readonly node: Node } | null;
}

/** Gradients recorded and not yet computed, with who holds them: one that was used up or dropped is no root. */
const gradientRoots = new Map<Node, WeakRef<GradientHolder>>();

interface CachedPlan {
  readonly key: Key;
  readonly compiled: Compiled;
  readonly pieces: readonly Prepared[];
}

/** By the hash of their keys. */
const plans = new WeakMap<Device, Map<number, CachedPlan[]>>();

/** What tells a structure from others, and its hash. */
interface Key {
  readonly words: readonly number[];
  readonly hash: number;
}

/** Walks through graphs so far. */
let walks = 0;

/** The device that evaluates. Throws an Error before one was chosen. */
export function currentDevice(): Device {
  if (!device)
    throw new Error(
      "no device is open; import from the package's entry, or call useDevice(await openDevice())",
    );
  return device;
}

/** Whether a device was chosen. */
export function hasDevice(): boolean {
  return device !== null;
}

/** Makes `next` the device that evaluates from now on. Tests hold the compiler's passes to a plan without them. */
export function useDevice(next: Device, options: { passes?: Passes } = {}): void {
  device = next;
  passes = options.passes ?? allPasses;
}

/** A gradient becomes a result of the next evaluation, unless its holder gives it up first. */
export function addGradientRoot(node: Node, holder: GradientHolder): void {
  gradientRoots.set(node, new WeakRef(holder));
}

/** The node a variable stands for after `target = value`. An assignment still pending on it is queued first. */
export function assignNode(target: Node, value: Node, tracked: boolean): Node {
  const storage = target.storage;
  if (!storage || (target.operation.kind !== "source" && target.operation.kind !== "assign")) {
    throw new TypeError("assign: this tensor is a computed value, not a variable; make one with variable()");
  }
  if (pending.includes(target)) evaluateNodes([]);
  const node = record({ kind: "assign" }, [value], target.shape, target.dtype, { tracked });
  node.storage = storage;
  node.version = target.version + 1;
  pending.push(node);
  return node;
}

/**
 * Queues the computation of `asked`, of pending assignments and of gradients. Synchronous up to the device's
 * queue: afterwards every asked node has a storage; the promise covers completion.
 */
export function evaluateNodes(asked: readonly Node[]): Promise<void> {
  return queue(asked, []).at(-1)!;
}

/**
 * Queues pending assignments and gradients. Promise k resolves as soon as the variables of `milestones[0]` to
 * `milestones[k]` (their assignments) have their new values, one more promise when all is done; together at the end on
 * a device that runs plans in one piece.
 */
export function evaluateInPieces(milestones: readonly (readonly Node[])[]): Promise<void>[] {
  return queue([], milestones);
}

function queue(asked: readonly Node[], milestones: readonly (readonly Node[])[]): Promise<void>[] {
  const on = currentDevice();
  for (const node of asked) if (node.ready) checkVersion(node, node, pending);
  const assignments = pending;
  const gradients = [...gradientRoots].flatMap(([node, holder]) =>
    !node.ready && holder.deref()?.grad?.node === node ? [node] : [],
  );
  const roots = [...new Set([...asked, ...assignments, ...gradients])].filter((node) => !node.ready);
  if (roots.length === 0) return [...milestones, null].map(() => Promise.resolve());
  const { nodes, key } = collectOrDrop(roots, assignments.length > 0);

  const results = resultsOf(nodes, roots, assignments.length > 0);
  let compiled: Compiled;
  let running: Promise<void>[];
  try {
    ({ compiled, running } = run(on, key, nodes, results, milestones));
  } catch (error) {
    // The device is gone or cannot run this: if it stayed, all later work would throw.
    if (error instanceof UserError) {
      pending = [];
      gradientRoots.clear();
    }
    throw error;
  }
  // The device has taken it: from here on the new values are the values.
  pending = [];
  gradientRoots.clear();
  for (const node of assignments) {
    node.storage!.version = node.version;
    node.storage!.assignedAt = node.site;
    // Captured frames hold closures that hold graphs: one site a variable, or every step would keep the last.
    node.site = null;
  }
  for (const index of compiled.results) {
    const node = nodes[index]!;
    node.ready = true;
    if (!node.tracked || node.spent || node.operation.kind === "assign") node.inputs = [];
  }
  return running;
}

/** Queues the plan of these nodes, compiled at the first time. */
function run(
  on: Device,
  structure: Key,
  nodes: readonly Node[],
  results: readonly Node[],
  milestones: readonly (readonly Node[])[],
): { compiled: Compiled; running: Promise<void>[] } {
  let cache = plans.get(on);
  if (!cache) {
    cache = new Map();
    plans.set(on, cache);
  }
  const ends = milestones.map((parts) => parts.map((node) => nodes.indexOf(node)));
  const key =
    ends.length === 0
      ? structure
      : keyOf([...structure.words, -8, ...ends.flatMap((parts) => [parts.length, ...parts])]);
  let alike = cache.get(key.hash);
  if (!alike) {
    alike = [];
    cache.set(key.hash, alike);
  }
  let entry = alike.find((one) => sameWords(one.key.words, key.words));
  if (!entry) {
    const compiled = compile(nodes, new Set(results), on.traits, passes);
    const { plan } = compiled;
    const pieces =
      ends.length > 0 && on.prepareInPieces
        ? on.prepareInPieces(plan, cutsAfter(compiled, nodes, milestones))
        : [on.prepare(plan)];
    entry = { key, compiled, pieces };
    alike.push(entry);
  }
  const { compiled, pieces } = entry;
  const bindings: Binding[] = compiled.bindings.map((index) => {
    const node = nodes[index]!;
    node.storage ??= new Storage(node.dtype as DType, node.shape);
    return node.storage.on(on);
  });
  const scalars = compiled.scalars.map((index) => nodes[index]!.value);
  const running = pieces.map((piece) => on.run(piece, bindings, scalars));
  return { compiled, running: [...milestones, null].map((_, k) => running[k] ?? running[0]!) };
}

/** For each milestone, how many steps have run once all writers of its variables, and of those before it, have. */
function cutsAfter(
  { plan, bindings }: Compiled,
  nodes: readonly Node[],
  milestones: readonly (readonly Node[])[],
): number[] {
  const written = new Map<Storage | null | undefined, number>();
  plan.steps.forEach((step, at) => {
    for (const { target } of step.outputs) {
      const { buffer } = plan.values[target.value]!;
      if (buffer > 0) written.set(nodes[bindings[buffer - 1]!]!.storage, at + 1);
    }
  });
  let cut = 0;
  return milestones.map((parts) => {
    for (const { storage } of parts) cut = Math.max(cut, written.get(storage) ?? 0);
    return cut;
  });
}

/** The results of a plan: the roots, and the outermost module's output where the plan assigns. */
function resultsOf(nodes: readonly Node[], roots: readonly Node[], assigns: boolean): Node[] {
  return [...roots, ...(assigns ? nodes.filter((node) => node.retained && !node.ready) : [])];
}

/** Collects; where that throws, assignments and gradients that can never be computed are dropped, or all later work would throw. */
function collectOrDrop(roots: readonly Node[], assigns: boolean): { nodes: Node[]; key: Key } {
  try {
    return collect(roots, assigns);
  } catch (error) {
    gradientRoots.clear();
    pending = pending.filter((node) => {
      try {
        return collect([node], true).nodes.length > 0;
      } catch {
        return false;
      }
    });
    throw error;
  }
}

/** Everything the roots need, inputs first, and the key of its structure. */
function collect(roots: readonly Node[], assigns: boolean): { nodes: Node[]; key: Key } {
  const walk = ++walks;
  const nodes: Node[] = [];
  const rootSet = new Set(roots);
  const storages = new Map<Storage, number>();
  const words: number[] = [Number(passes.fuse) + 2 * Number(passes.reuse)];
  // The way to where the walk is, and which input is next at each node of it.
  const way: Node[] = [];
  const next: number[] = [];
  const enter = (node: Node): void => {
    if (node.walk === walk) return;
    node.walk = walk;
    way.push(node);
    next.push(0);
  };
  for (const root of roots) {
    enter(root);
    while (way.length > 0) {
      const top = way.length - 1;
      const node = way[top]!;
      const inputs = node.ready ? none : node.inputs;
      if (next[top]! < inputs.length) {
        enter(inputs[next[top]!++]!);
        continue;
      }
      way.pop();
      next.pop();
      if (node.ready) checkVersion(node, way[top - 1] ?? node);
      else if (node.inputs.length === 0 && node.operation.kind !== "scalar" && node.operation.kind !== "iota")
        throw lostGraph(node);
      node.place = nodes.length;
      nodes.push(node);
      const flags = (node.ready ? 1 : 0) + (rootSet.has(node) ? 2 : 0) + (assigns && node.retained ? 4 : 0);
      words.push(node.ready ? -1 - typeCode(node.dtype) : node.code, flags);
      if (node.ready) words.push(...node.shape, -9);
      for (const one of inputs) words.push(one.place);
      // A variable that is read and written in one plan is one binding.
      if (node.storage && (node.ready || node.operation.kind === "assign")) {
        const shared = storages.get(node.storage);
        if (shared === undefined) storages.set(node.storage, nodes.length - 1);
        else words.push(-10 - shared);
      }
    }
  }
  if (nodes.length > maxPending) {
    throw new Error(
      `${nodes.length} operations are waiting to be computed (the limit is ${maxPending}); a value that is only added to in a loop must be asked for now and then (await evaluate(x)). The last variable they read was read at ${siteOf(nodes.findLast((node) => node.site)?.site ?? null)}`,
    );
  }
  return { nodes, key: keyOf(words) };
}

const none: readonly Node[] = [];

/** Its hash is FNV-1a over 32-bit words. */
function keyOf(words: readonly number[]): Key {
  let hash = 0x811c9dc5;
  for (const word of words) hash = Math.imul(hash ^ word, 0x01000193);
  return { words, hash };
}

function sameWords(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function typeCode(dtype: Node["dtype"]): number {
  return dtype === "f32" ? 0 : dtype === "i32" ? 1 : 2;
}

/** A value recorded before an assignment and asked for after it no longer exists. */
function checkVersion(node: Node, reader: Node, waiting: readonly Node[] = []): void {
  const storage = node.storage!;
  if (storage.version === node.version && !waiting.some((one) => one.storage === storage)) return;
  throw new Error(
    `a value recorded at ${siteOf(reader.site)} reads a variable of shape ${showShape(node.shape)} that was assigned since, at ${siteOf(storage.assignedAt)}; ask for the value before the assignment (or before optimizer.step())`,
  );
}

function lostGraph(node: Node): Error {
  return new Error(
    `a value of shape ${showShape(node.shape)} was computed and its graph given up when its gradient was taken; add the losses and call backward() once`,
  );
}
