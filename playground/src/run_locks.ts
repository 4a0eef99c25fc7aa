/** Which runs are open in some tab of the browser, so that no other goes on with them or throws their checkpoint away. */
const prefix = "flybrick-run-";

/** Holds a run until the returned function is called or the page is gone. */
export function holdRun(run: number): () => void {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  // Missing where a page comes neither by https nor from localhost.
  void navigator.locks?.request(`${prefix}${run}`, () => released);
  return release;
}

export async function heldRuns(): Promise<Set<number>> {
  const { held = [] } = (await navigator.locks?.query()) ?? {};
  const names = held.map(({ name = "" }) => name).filter((name) => name.startsWith(prefix));
  return new Set(names.map((name) => Number(name.slice(prefix.length))));
}
