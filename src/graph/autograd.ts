import type { Node, OperationKind } from "./graph.js";

/**
 * How gradients flow through a kind of node: recorded gradients by input, given the upstream one. `wanted[i]`
 * says whether input i needs one; null where none flows.
 */
export type GradientRule = (node: Node, upstream: Node, wanted: readonly boolean[]) => (Node | null)[];

export type GradientRules = Readonly<Record<OperationKind, GradientRule>>;

/**
 * One reverse walk that knows no operation: gradients of `root` by each node that `isLeaf` names
 * and that it depends on. `upstream` is the gradient of whatever is wanted by the root, `add` sums two.
 */
export function reverse(
  root: Node,
  upstream: Node,
  isLeaf: (node: Node) => boolean,
  rules: GradientRules,
  add: (a: Node, b: Node) => Node,
): Map<Node, Node> {
  const order = trackedOrder(root, isLeaf);
  const gradients = new Map<Node, Node>([[root, upstream]]);
  const found = new Map<Node, Node>();
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i]!;
    const gradient = gradients.get(node);
    if (!gradient) continue;
    if (isLeaf(node)) {
      found.set(node, gradient);
      continue;
    }
    const wanted = node.inputs.map((one) => one.tracked);
    const flows = rules[node.operation.kind](node, gradient, wanted);
    node.inputs.forEach((one, k) => {
      const flow = flows[k];
      if (!flow || !wanted[k]) return;
      const before = gradients.get(one);
      gradients.set(one, before ? add(before, flow) : flow);
    });
  }
  for (const node of order) {
    if (isLeaf(node)) continue;
    node.spent = true;
    if (node.ready) node.inputs = [];
  }
  return found;
}

/** Tracked nodes from the leaves to the root, inputs first. */
function trackedOrder(root: Node, isLeaf: (node: Node) => boolean): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  const stack: { node: Node; next: number }[] = [{ node: root, next: 0 }];
  seen.add(root);
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    const { node } = top;
    const inputs = isLeaf(node) ? [] : node.inputs;
    if (node.ready && node.spent && inputs.length === 0 && !isLeaf(node)) {
      throw new Error(
        "backward: part of this graph was given up when its gradient was taken before; add the losses and call backward() once",
      );
    }
    if (top.next < inputs.length) {
      const one = inputs[top.next++]!;
      if (one.tracked && !seen.has(one)) {
        seen.add(one);
        stack.push({ node: one, next: 0 });
      }
      continue;
    }
    stack.pop();
    order.push(node);
  }
  return order;
}
