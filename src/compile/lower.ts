import type { DType } from "../core/dtype.js";
import { constant, core, input } from "../core/expression.js";
import type { Kernel } from "../core/kernel.js";
import { channelsLastStrides, denseStrides, elementCount, type Shape } from "../core/shape.js";
import type { View } from "../core/view.js";
import type { DeviceTraits } from "../devices/device.js";
import type { Node } from "../graph/graph.js";
import type { Storage } from "../graph/storage.js";
import { type LOperand, type LStep, type LValue, place, scalarType } from "./lowered.js";

/**
 * Graph to steps, one node at a time: views become operands, constant shapes become strides, everything else
 * a kernel. Feature maps are laid out as the device likes them here, since views are resolved against it.
 */
export function lower(nodes: readonly Node[], results: ReadonlySet<Node>, traits: DeviceTraits): LStep[] {
  const steps: LStep[] = [];
  const operands = new Map<Node, LOperand>();
  const sources = new Map<Storage, LValue>();
  const windows = new Map<string, LStep>();
  const logSumExps = new Map<string, LStep>();
  const reshaped = new Set<Node>();
  for (const node of nodes) {
    if (!node.ready && node.operation.kind === "view" && node.operation.view.kind === "reshape")
      reshaped.add(node.inputs[0]!);
  }
  let values = 0;

  const newValue = (
    dtype: DType,
    shape: Shape,
    strides: readonly number[],
    external: number | null,
  ): LValue => ({
    id: values++,
    dtype,
    shape,
    strides,
    external,
    overwrites: null,
  });
  const denseValue = (dtype: DType, shape: Shape, external: number | null = null): LValue =>
    newValue(dtype, shape, denseStrides(shape), external);

  /** `at`: index of the node that the step computes. */
  const emit = (step: Omit<LStep, "order">, at: number): LStep => {
    const full = { ...step, order: nodes[at]!.id };
    steps.push(full);
    return full;
  };
  /** A copy of an operand (a pointwise identity) into a value, or a part of it. */
  const copy = (from: LOperand, to: LValue, shape: Shape, views: readonly View[], order: number): void => {
    const expr = input(0, scalarType(from));
    emit(
      {
        kernel: { kind: "pointwise" },
        shape,
        inputs: [],
        pre: null,
        extras: [from],
        outputs: [{ value: to, views, expr }],
      },
      order,
    );
  };
  const viewed = (from: LOperand, view: View, shape: Shape, dtype: DType, order: number): LOperand => {
    const candidate: LOperand = { ...from, views: [...from.views, view] };
    if (place(candidate)) return candidate;
    const value = denseValue(dtype, shape);
    copy(from, value, shape, [], order);
    return { kind: "value", value, views: [view] };
  };

  // Before any assignment is lowered: it must know the old value even if only later nodes read it.
  nodes.forEach((node, index) => {
    if (!node.ready) return;
    const value = denseValue(node.dtype as DType, node.shape, index);
    sources.set(node.storage!, value);
    operands.set(node, { kind: "value", value, views: [] });
  });

  nodes.forEach((node, index) => {
    if (node.ready) return;
    const { operation } = node;
    const dtype = node.dtype as DType;
    const asValue = (value: LValue): LOperand => ({ kind: "value", value, views: [] });
    const inputs = node.inputs.map((one) => operands.get(one)!);
    const isResult = results.has(node);
    const output = (): LValue => {
      if (isResult) return denseValue(dtype, node.shape, index);
      // What comes from a matrix keeps its order, and so can ride on what makes the matrix.
      const unfolds =
        operation.kind === "pointwise" &&
        inputs.some(
          (one) =>
            one.kind === "value" &&
            one.value.shape.length < 4 &&
            elementCount(one.value.shape) === elementCount(node.shape),
        );
      const channelsLast = traits.channelsLast && node.shape.length === 4 && !reshaped.has(node) && !unfolds;
      return channelsLast
        ? newValue(dtype, node.shape, channelsLastStrides(node.shape), null)
        : denseValue(dtype, node.shape);
    };
    const kernelStep = (kernel: Kernel, coreType: "f32" | "i32"): LStep => {
      const value = output();
      const pre = kernel.kind === "reduce" ? input(0, scalarType(inputs[0]!)) : null;
      operands.set(node, asValue(value));
      return emit(
        {
          kernel,
          shape: node.shape,
          inputs,
          pre,
          extras: [],
          outputs: [{ value, views: [], expr: core(0, coreType) }],
        },
        index,
      );
    };

    /** A node that costs nothing is an operand, unless somebody asked for it. */
    const bind = (operand: LOperand): void => {
      operands.set(node, operand);
      if (!isResult) return;
      const value = output();
      copy(operand, value, node.shape, [], index);
      operands.set(node, asValue(value));
    };

    switch (operation.kind) {
      case "source":
        throw new Error("a source without a value");
      case "scalar":
        bind({ kind: "scalar", node: index, type: node.dtype as "f32" | "i32" | "u32", views: [] });
        return;
      case "iota":
        operands.set(node, { kind: "iota", shape: node.shape, views: [] });
        return;
      case "view":
        bind(viewed(inputs[0]!, operation.view, node.inputs[0]!.shape, dtype, index));
        return;
      case "assign": {
        const value = denseValue(dtype, node.shape, index);
        value.overwrites = sources.get(node.storage!) ?? null;
        copy(inputs[0]!, value, node.shape, [], index);
        operands.set(node, asValue(value));
        return;
      }
      case "pointwise": {
        const value = output();
        emit(
          {
            kernel: { kind: "pointwise" },
            shape: node.shape,
            inputs: [],
            pre: null,
            extras: inputs,
            outputs: [{ value, views: [], expr: operation.expr }],
          },
          index,
        );
        operands.set(node, asValue(value));
        return;
      }
      case "place": {
        const value = output();
        if (!operation.covered) {
          const zero = constant(0, dtype === "f32" ? "f32" : "i32");
          emit(
            {
              kernel: { kind: "pointwise" },
              shape: node.shape,
              inputs: [],
              pre: null,
              extras: [],
              outputs: [{ value, views: [], expr: zero }],
            },
            index,
          );
        }
        inputs.forEach((from, k) => {
          const { shape } = node.inputs[k]!;
          if (elementCount(shape) > 0)
            copy(from, value, shape, [{ kind: "slice", ...operation.parts[k]!, shape }], index);
        });
        operands.set(node, asValue(value));
        return;
      }
      case "reduce": {
        const [from] = inputs as [LOperand];
        const key =
          from.kind === "value" ? `${from.value.id} ${JSON.stringify(place(from))} ${operation.axes}` : "";
        const joined = logSumExps.get(key);
        // Log-sum-exp finds the maximum on its way.
        if (operation.op === "argmax" && joined && key) {
          const value = output();
          joined.outputs.push({ value, views: [], expr: core(1, "i32") });
          operands.set(node, asValue(value));
          return;
        }
        const step = kernelStep(operation, dtype === "f32" ? "f32" : "i32");
        if (operation.op === "logSumExp") logSumExps.set(key, step);
        return;
      }
      case "window": {
        const { output: which, ...kernel } = operation;
        const key = `${node.inputs[0]!.id} ${JSON.stringify(kernel)}`;
        const value = output();
        const result = { value, views: [], expr: core(which, which === 0 ? "f32" : "i32") };
        const joined = windows.get(key);
        // The maximum and where it was come out of one pass over the window.
        if (joined) joined.outputs.push(result);
        else
          windows.set(
            key,
            emit({ kernel, shape: node.shape, inputs, pre: null, extras: [], outputs: [result] }, index),
          );
        operands.set(node, asValue(value));
        return;
      }
      default:
        kernelStep(operation, dtype === "f32" ? "f32" : "i32");
    }
  });
  return steps;
}
