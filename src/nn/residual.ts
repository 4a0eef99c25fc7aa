import { type Shape, sameShape, showShape } from "../core/shape.js";
import type { IsUnknown, MayBeSame, Show } from "../core/shape_types.js";
import { add } from "../ops/pointwise.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module, within } from "./module.js";
import type { After, ShapeRule } from "./shape_rule.js";

interface ResidualShape<Body extends Module, Shortcut extends Module | null> extends ShapeRule {
  readonly output: this["input"] extends infer Input extends Shape
    ? Joined<After<Body, Input>, Shortcut extends Module ? After<Shortcut, Input> : Input>
    : never;
}

type Joined<Body, Shortcut> = Body extends string
  ? `body: ${Body}`
  : Shortcut extends string
    ? `shortcut: ${Shortcut}`
    : IsUnknown<Body> extends true
      ? Shortcut
      : IsUnknown<Shortcut> extends true
        ? Body
        : MayBeSame<Body, Shortcut> extends true
          ? Body
          : `Residual: the body gives ${Show<Body>} and the shortcut ${Show<Shortcut>}; they must be equal`;

/** The layer that `residual` makes. */
export class Residual<
  Body extends Module = Module,
  Shortcut extends Module | null = Module | null,
> extends Module {
  declare readonly "~shapes": ResidualShape<Body, Shortcut>;
  override readonly name = "Residual";

  constructor(
    readonly body: Body,
    readonly shortcut: Shortcut,
  ) {
    super();
  }

  override namedChildren(): Map<string, Module> {
    const children = new Map<string, Module>([["body", this.body]]);
    if (this.shortcut) children.set("shortcut", this.shortcut);
    return children;
  }

  override outputShape(input: Shape): Shape {
    const body = within("body", () => this.body.outputShape(input));
    const shortcut = within("shortcut", () => this.shortcut?.outputShape(input) ?? input);
    requireEqual(body, shortcut);
    return body;
  }

  override multiplyAdds(input: Shape): number {
    return this.body.multiplyAdds(input) + (this.shortcut?.multiplyAdds(input) ?? 0);
  }

  protected override compute(x: Tensor): Tensor {
    const [body, shortcut] = [this.body.forward(x), this.shortcut?.forward(x) ?? x];
    // An addition would broadcast.
    requireEqual(body.shape, shortcut.shape);
    return add(body, shortcut);
  }
}

function requireEqual(body: Shape, shortcut: Shape): void {
  if (!sameShape(body, shortcut))
    throw new RangeError(
      `Residual: the body gives ${showShape(body)} and the shortcut ${showShape(shortcut)}; they must be equal`,
    );
}

/**
 * body(x) + shortcut(x), or body(x) + x without a shortcut (He et al., 2015, equations 1 and 2). Parameters are named
 * `body.*` and `shortcut.*`. Throws a RangeError where the two shapes differ.
 */
export function residual<Body extends Module, Shortcut extends Module | null = null>(
  body: Body,
  shortcut: Shortcut = null as Shortcut,
): Residual<Body, Shortcut> {
  return new Residual(body, shortcut);
}
