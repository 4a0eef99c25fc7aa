/**
 * A tree in which a sequence of numbers and texts leads to one place: what a key of text would be, without making the
 * text, which costs more than walking.
 */
export class Branch<T> {
  value: T | undefined;
  private readonly next = new Map<number | string, Branch<T>>();

  /** The branch behind `key`, made at the first use. -0 is another key than 0. */
  to(key: number | string): Branch<T> {
    const exact = Object.is(key, -0) ? "-0" : key;
    let found = this.next.get(exact);
    if (!found) {
      found = new Branch();
      this.next.set(exact, found);
    }
    return found;
  }

  /** The branch behind all of `keys`. */
  along(keys: readonly number[]): Branch<T> {
    let at: Branch<T> = this;
    for (const key of keys) at = at.to(key);
    return at;
  }
}
