import type { TuningStore } from "./tuning.js";

const [name, storeName, key] = ["flybrick", "tuning", "webgpu-variants"];

/** What is used of IndexedDB, whose own types only pages have. */
interface Request {
  readonly result: unknown;
  readonly error: Error | null;
  onsuccess: () => void;
  onerror: () => void;
  onblocked?: () => void;
  onupgradeneeded?: () => void;
}
interface ObjectStore {
  get(key: string): Request;
  put(value: string, key: string): Request;
  delete(key: string): Request;
}
interface Database {
  createObjectStore(name: string): ObjectStore;
  transaction(name: string, mode: Mode): { objectStore(name: string): ObjectStore };
  close(): void;
}
type Mode = "readonly" | "readwrite";

/** Measurements in the page's IndexedDB. */
export function tuningDatabase(): TuningStore {
  return {
    place: `IndexedDB's ${name}`,
    read: async () => ((await within("readonly", (store) => store.get(key))) as string | undefined) ?? null,
    write: async (text) => void (await within("readwrite", (store) => store.put(text, key))),
    clear: async () => void (await within("readwrite", (store) => store.delete(key))),
  };
}

async function within(mode: Mode, act: (store: ObjectStore) => Request): Promise<unknown> {
  const { indexedDB } = globalThis as unknown as {
    indexedDB?: { open(name: string, version: number): Request };
  };
  if (!indexedDB) throw new Error("there is no IndexedDB here");
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => (opening.result as Database).createObjectStore(storeName);
  const database = (await settled(opening)) as Database;
  try {
    return await settled(act(database.transaction(storeName, mode).objectStore(storeName)));
  } finally {
    database.close();
  }
}

function settled(request: Request): Promise<unknown> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB refuses"));
    request.onblocked = () => reject(new Error("IndexedDB is blocked by another page"));
  });
}
