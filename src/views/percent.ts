/** A share as people read it: "99.8 %". */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
