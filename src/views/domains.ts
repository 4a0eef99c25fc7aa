/** The end of a y axis from 0: the next of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10 times a power of ten. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 1.5, 2, 2.5, 3, 4, 5, 6, 8].find((factor) => factor * power >= value) ?? 10);
}

/** From 0 to a round number above all losses; those that are not finite do not count. */
export function lossDomain(values: readonly number[]): [number, number] {
  return [0, roundUp(Math.max(...values.filter(Number.isFinite), 0.1))];
}

/** Tenths around the values that are finite, up to 1 at most, so that a good run does not hug the frame. */
export function accuracyDomain(values: readonly number[]): [number, number] {
  const shares = values.filter(Number.isFinite);
  if (shares.length === 0) return [0, 1];
  const low = Math.max(0, Math.floor((Math.min(...shares) - 0.02) * 10) / 10);
  const high = Math.min(1, Math.ceil((Math.max(...shares) + 0.02) * 10) / 10);
  return [low, high];
}
