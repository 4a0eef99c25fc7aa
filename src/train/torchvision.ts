import { UserError } from "../core/errors.js";

/** Layers with weights in torchvision's networks, in the order of the forward pass. */
const schemes = {
  alexnet: [
    ...[0, 3, 6, 8, 10].map((place) => `features.${place}`),
    ...[1, 4, 6].map((place) => `classifier.${place}`),
  ],
} as const;

/**
 * Tensors by a network's own names where theirs are those of torchvision's `alexnet`: its k-th layer with weights is the
 * network's k-th. Other names stay. Throws a UserError, which calls the file `path`, where the layers differ in number.
 */
export function fromTorchvision<T>(
  values: ReadonlyMap<string, T>,
  ownNames: Iterable<string>,
  path: string,
): ReadonlyMap<string, T> {
  const found = layersOf(values.keys());
  const own = layersOf(ownNames);
  for (const [name, layers] of Object.entries(schemes)) {
    if (!sameLayers(found, layers) || sameLayers(own, layers)) continue;
    if (own.length !== layers.length)
      throw new UserError(
        `${path} holds torchvision's ${name}, with weights in ${layers.length} layers, but this network has them in ${own.length}: load it into a network of the same layers.`,
      );
    return new Map([...values].map(([key, value]) => [renamed(key, layers, own), value]));
  }
  return values;
}

/** "features.0" of "features.0.weight". */
function layerOf(name: string): string {
  return name.slice(0, name.lastIndexOf("."));
}

function layersOf(names: Iterable<string>): string[] {
  return [...new Set([...names].map(layerOf))];
}

function sameLayers(found: readonly string[], expected: readonly string[]): boolean {
  return found.length === expected.length && expected.every((layer) => found.includes(layer));
}

function renamed(name: string, from: readonly string[], to: readonly string[]): string {
  const layer = layerOf(name);
  return to[from.indexOf(layer)] + name.slice(layer.length);
}
