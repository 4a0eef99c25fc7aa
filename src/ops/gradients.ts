import { call, input } from "../core/expression.js";
import { showShape } from "../core/shape.js";
import { type GradientRules, reverse } from "../graph/autograd.js";
import { atOneSite, type Node } from "../graph/graph.js";
import { addGradientRoot } from "../tensor/evaluate.js";
import { ownerOf, Tensor } from "../tensor/tensor.js";
import { conv2dGradient, conv2dInputGradGradient, conv2dWeightGradGradient } from "./conv.js";
import { ones } from "./creation.js";
import { gatherGradient, scatterAddGradient } from "./gather.js";
import { matmulGradient } from "./matmul.js";
import { placeGradient, viewGradient } from "./movement.js";
import { pointwiseGradient, recordPointwise } from "./pointwise.js";
import { windowGradGradient, windowGradient } from "./pool.js";
import { reduceGradient } from "./reduce.js";
import { resizeGradGradient, resizeGradient } from "./resize.js";

/** The closed table: how gradients flow through each kind of node. A missing kind does not compile. */
const rules: GradientRules = {
  pointwise: pointwiseGradient,
  view: viewGradient,
  place: placeGradient,
  reduce: reduceGradient,
  matmul: matmulGradient,
  conv2d: conv2dGradient,
  conv2dInputGrad: conv2dInputGradGradient,
  conv2dWeightGrad: conv2dWeightGradGradient,
  window: windowGradient,
  windowGrad: windowGradGradient,
  gather: gatherGradient,
  scatterAdd: scatterAddGradient,
  resize: resizeGradient,
  resizeGrad: resizeGradGradient,
  source: () => [],
  scalar: () => [],
  iota: () => [],
  assign: () => [],
};

function addNodes(a: Node, b: Node): Node {
  return recordPointwise(call("add", input(0, "f32"), input(1, "f32")), [a, b], a.shape);
}

function isVariable(node: Node): boolean {
  return node.operation.kind === "source" || node.operation.kind === "assign";
}

/**
 * Gradients of a scalar (or, under `upstream`, of any tensor) by each of `wrt`, recorded; zeros are null. Throws
 * a RangeError on a tensor of several elements without `upstream`, an Error where one of `wrt` wants no gradient.
 */
export function gradients(of: Tensor, wrt: readonly Tensor[], upstream?: Tensor): (Tensor | null)[] {
  const nodes = new Set(wrt.map((one) => one.node));
  if (wrt.some((one) => !one.node.tracked)) {
    throw new Error(
      "gradients: a tensor in wrt does not require a gradient; make it with variable(x, { requiresGrad: true })",
    );
  }
  const found = reverse(
    of.node,
    upstreamOf(of, upstream),
    (node) => nodes.has(node) || isVariable(node),
    rules,
    addNodes,
  );
  return wrt.map((one) => {
    const node = found.get(one.node);
    return node ? new Tensor(node) : null;
  });
}

let warned = false;

/**
 * Records the gradients of a loss by every variable that wants one, adding to their `grad`. Throws a RangeError
 * where the loss has several elements, an Error where no variable leads to it.
 */
export function backward(loss: Tensor, upstream?: Tensor): void {
  if (!loss.node.tracked) throw new Error("backward: no tensor that requires a gradient leads to this value");
  if (loss.node.ready && !warned) {
    warned = true;
    console.warn(
      "backward: the loss was read before, so its forward pass is computed again; call backward() first, then read the loss",
    );
  }
  const from = upstreamOf(loss, upstream);
  const found = atOneSite(() => reverse(loss.node, from, isVariable, rules, addNodes));
  for (const [node, gradient] of found) {
    const owner = ownerOf(node);
    if (!owner) continue;
    const total = owner.grad ? addNodes(owner.grad.node, gradient) : gradient;
    owner.grad = new Tensor(total);
    addGradientRoot(total, owner);
  }
}

function upstreamOf(of: Tensor, upstream: Tensor | undefined): Node {
  if (upstream) return upstream.node;
  if (of.shape.some((size) => size !== 1)) {
    throw new RangeError(
      `backward: needs a loss of one element, this has shape ${showShape(of.shape)}; take mean() or give an upstream gradient`,
    );
  }
  return ones(of.shape).node;
}
