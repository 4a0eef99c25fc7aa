import {
  type DType,
  type DTypeOf,
  dtypeOf,
  type HostArray,
  type HostArrayOf,
  hostArray,
} from "../core/dtype.js";
import { elementCount, type Shape, sameShape, showShape } from "../core/shape.js";
import type { Exact, Known, Unknown } from "../core/shape_types.js";
import { type Node, record } from "../graph/graph.js";
import { Storage } from "../graph/storage.js";
import { assignNode, currentDevice, evaluateNodes } from "./evaluate.js";

/**
 * A handle on a recorded value. Nothing is computed until a value is asked for (`data`, `item`, `evaluate`,
 * an optimizer's `step`). Operations are methods, joined on by the package's entry. Its type carries the shape and the
 * element type as far as the compiler knows them; plain `Tensor` is one of any shape and goes wherever one is asked for.
 */
export class Tensor<S extends Shape = Unknown, D extends DType = Unknown> {
  /** The gradient that `backward()` recorded, until an optimizer's step uses it. */
  grad: Tensor<S, "f32"> | null = null;
  /** Whether `backward()` gives this tensor a gradient. */
  readonly requiresGrad: boolean;

  constructor(
    /** What it currently stands for; changes by assignment only. */
    public node: Node,
    options: { requiresGrad?: boolean } = {},
  ) {
    this.requiresGrad = options.requiresGrad ?? false;
  }

  get shape(): Readonly<Known<S>> {
    return this.node.shape as Known<S>;
  }

  get dtype(): 0 extends 1 & D ? DType : D {
    return this.node.dtype as D;
  }

  /** The elements in row-major order, as a typed array of their own. */
  async data(): Promise<HostArrayOf<D>> {
    const done = evaluateNodes([this.node]);
    const [bytes] = await Promise.all([this.node.storage!.read(currentDevice()), done]);
    return hostArray(this.dtype, bytes) as HostArrayOf<D>;
  }

  /** The single element. Throws a RangeError if there are more. */
  async item(): Promise<number> {
    if (elementCount(this.shape) !== 1) {
      throw new RangeError(
        `item() needs a tensor of one element, this one has shape ${showShape(this.shape)}; use data()`,
      );
    }
    return (await this.data())[0]!;
  }

  /**
   * Gives a variable a new value: at once for whatever is recorded after, in memory with the next evaluation.
   * Throws a TypeError if this is no variable, a RangeError on another shape.
   */
  assign(value: Tensor<S, D>): void {
    if (!sameShape(this.shape, value.shape) || this.dtype !== value.dtype) {
      throw new RangeError(
        `assign: the variable is ${this.dtype}${showShape(this.shape)}, the value ${value.dtype}${showShape(value.shape)}`,
      );
    }
    this.node = assignNode(this.node, value.node, this.requiresGrad);
  }

  /** Overwrites a variable from host memory (row-major, same dtype and count). */
  set(values: HostArray): void {
    const host: Tensor = tensor(values, this.shape);
    this.assign(host);
  }

  /** The same value, cut off from gradients. */
  detach(): Tensor<S, D> {
    return new Tensor(
      record(
        { kind: "view", view: { kind: "reshape", shape: this.shape } },
        [this.node],
        this.shape,
        this.dtype,
        { tracked: false },
      ),
    );
  }
}

/** A tensor of host values (copied at the first use; a number array becomes f32). Shape defaults to [length]. */
export function tensor<Values extends HostArray | readonly number[], const S extends Shape = [number]>(
  values: Values,
  shape?: S,
): Tensor<Exact<S>, DTypeOf<Values>>;
export function tensor(values: HostArray | readonly number[], shape: Shape = [values.length]): Tensor {
  const array = Array.isArray(values) ? Float32Array.from(values) : (values as HostArray);
  if (elementCount(shape) !== array.length) {
    throw new RangeError(
      `tensor: ${array.length} values do not fill shape ${showShape(shape)}, which has ${elementCount(shape)}`,
    );
  }
  const dtype = dtypeOf(array);
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return new Tensor(sourceNode(new Storage(dtype, [...shape], bytes)));
}

/** A variable: memory of its own that `assign` writes; starts as `initial`. */
export function variable<S extends Shape, D extends DType>(
  initial: Tensor<S, D>,
  options: { requiresGrad?: boolean } = {},
): Tensor<S, D> {
  const storage = new Storage(initial.dtype, initial.shape);
  const node = sourceNode(storage, options.requiresGrad);
  const made = new Tensor<S, D>(assignNode(node, initial.node, options.requiresGrad ?? false), options);
  owners.set(storage, new WeakRef(made));
  return made;
}

const owners = new WeakMap<Storage, WeakRef<Tensor>>();

/** The variable whose value a node stands for. */
export function ownerOf(node: Node): Tensor | undefined {
  return node.storage ? owners.get(node.storage)?.deref() : undefined;
}

function sourceNode(storage: Storage, tracked = false): Node {
  const node = record({ kind: "source" }, [], storage.shape, storage.dtype, { tracked });
  node.storage = storage;
  node.ready = true;
  return node;
}

/** Computes tensors together, in one plan; the promise resolves when they are in memory. */
export async function evaluate(...tensors: Tensor[]): Promise<void> {
  await evaluateNodes(tensors.map((one) => one.node));
}
