/** A function's value and gradient at a point. */
export interface Slope {
  readonly value: number;
  readonly gradient: Float64Array;
}

export interface LbfgsOptions {
  readonly maxIterations: number;
  /** Stops where no entry of the gradient is larger. */
  readonly tolerance: number;
  /** Called after each iteration. */
  readonly onIteration?: (iteration: number) => Promise<void>;
}

export interface Minimum {
  readonly point: Float64Array;
  readonly iterations: number;
  /** Whether the gradient came within the tolerance. */
  readonly converged: boolean;
}

/** Of a value computed in float32, relative to it. */
const rounding = 1e-6;
/** Pairs of steps and changes of the gradient that are remembered. */
const memory = 10;

/**
 * Minimises a smooth function from `start`: limited-memory BFGS (Nocedal and Wright, Numerical Optimization, 7.2)
 * with a backtracking line search that asks for Armijo's decrease. Ends early where rounding hides all progress.
 */
export async function minimize(
  slopeAt: (point: Float64Array) => Promise<Slope>,
  start: Float64Array,
  { maxIterations, tolerance, onIteration }: LbfgsOptions,
): Promise<Minimum> {
  const steps: Float64Array[] = [];
  const changes: Float64Array[] = [];
  let point = start;
  let here = await slopeAt(point);
  let iterations = 0;
  const isFlat = (): boolean => here.gradient.every((value) => Math.abs(value) <= tolerance);
  while (iterations < maxIterations && !isFlat()) {
    const direction = twoLoops(here.gradient, steps, changes);
    const descent = dot(direction, here.gradient);
    let rate = steps.length === 0 ? Math.min(1, 1 / Math.sqrt(-descent)) : 1;
    let next = moved(point, direction, rate);
    let there = await slopeAt(next);
    const isBetter = (): boolean => {
      if (there.value <= here.value + 1e-4 * rate * descent) return true;
      // Where rounding hides the decrease, the slope along the step still tells of it (Hager and Zhang, 2005).
      const slope = dot(direction, there.gradient);
      return there.value <= here.value + rounding * Math.abs(here.value) && slope <= (2e-4 - 1) * descent;
    };
    for (let tries = 0; tries < 20 && !isBetter(); tries++) {
      rate /= 2;
      next = moved(point, direction, rate);
      there = await slopeAt(next);
    }
    if (!isBetter()) break;
    const step = next.map((value, i) => value - point[i]!);
    const change = there.gradient.map((value, i) => value - here.gradient[i]!);
    // Where the slope did not grow along the step, the pair would spoil the curvature.
    if (dot(step, change) > 1e-12 * dot(change, change)) {
      steps.push(step);
      changes.push(change);
      if (steps.length > memory) {
        steps.shift();
        changes.shift();
      }
    }
    point = next;
    here = there;
    iterations++;
    await onIteration?.(iterations);
  }
  return { point, iterations, converged: isFlat() };
}

/** The direction -H g, H the inverse Hessian that the remembered pairs stand for. */
function twoLoops(gradient: Float64Array, steps: Float64Array[], changes: Float64Array[]): Float64Array {
  const q = gradient.map((value) => -value);
  const weights: number[] = [];
  for (let k = steps.length - 1; k >= 0; k--) {
    weights[k] = dot(steps[k]!, q) / dot(steps[k]!, changes[k]!);
    addTo(q, changes[k]!, -weights[k]!);
  }
  const last = steps.length - 1;
  if (last >= 0) {
    const scale = dot(steps[last]!, changes[last]!) / dot(changes[last]!, changes[last]!);
    for (let i = 0; i < q.length; i++) q[i]! *= scale;
  }
  for (let k = 0; k < steps.length; k++) {
    const beta = dot(changes[k]!, q) / dot(steps[k]!, changes[k]!);
    addTo(q, steps[k]!, weights[k]! - beta);
  }
  return q;
}

function moved(point: Float64Array, direction: Float64Array, rate: number): Float64Array {
  return point.map((value, i) => value + rate * direction[i]!);
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

function addTo(to: Float64Array, vector: Float64Array, factor: number): void {
  for (let i = 0; i < to.length; i++) to[i]! += factor * vector[i]!;
}
