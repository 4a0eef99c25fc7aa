/** What the page remembers between visits: runs with their curves, the newest checkpoint of each that may go on, files. */
const stores = ["runs", "checkpoints", "files"] as const;
type Store = (typeof stores)[number];

let opening: Promise<IDBDatabase> | undefined;

function open(): Promise<IDBDatabase> {
  opening ??= new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open("flybrick-playground", 1);
    request.onupgradeneeded = () => {
      for (const store of stores) request.result.createObjectStore(store);
    };
    request.onsuccess = () => {
      // The browser may close it, when the visitor clears the page's data for one.
      request.result.onclose = () => {
        opening = undefined;
      };
      resolve(request.result);
    };
    request.onerror = () => reject(request.error ?? new Error("IndexedDB refuses"));
  });
  // Another attempt may succeed.
  opening.catch(() => {
    opening = undefined;
  });
  return opening;
}

/** Does what `act` asks in one transaction, whole or not at all; the value of the request that it returns. */
export async function within<T>(
  name: Store,
  mode: IDBTransactionMode,
  act: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  const transaction = (await open()).transaction(name, mode);
  return new Promise((resolve, reject) => {
    const request = act(transaction.objectStore(name));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error ?? new Error("IndexedDB refuses"));
  });
}
