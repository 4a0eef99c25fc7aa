import { data } from "flybrick";
import type { ImagesFrom } from "./messages.js";

/** The last set that was loaded, by where it came from; a failed load may be tried again. */
let last: { readonly key: string; readonly set: Promise<data.ImageSet> } | undefined;

function keyOf(from: ImagesFrom): string {
  return "folder" in from
    ? from.folder
    : from.files.map(({ name, size, lastModified }) => `${name} ${size} ${lastModified}`).join("\n");
}

/** Fashion-MNIST's images as the page says; `onReceived` hears the bytes of all files that have arrived. */
export function loadImages(
  from: ImagesFrom,
  onReceived: (received: number, total: number | undefined) => void,
): Promise<data.ImageSet> {
  const key = keyOf(from);
  if (last?.key === key) return last.set;
  const set = data.loadImageSet(
    "files" in from
      ? { name: "fashion-mnist", files: from.files }
      : { name: "fashion-mnist", url: from.folder, onProgress: counting(onReceived) },
  );
  last = { key, set };
  set.catch(() => {
    if (last?.set === set) last = undefined;
  });
  return set;
}

function counting(onReceived: (received: number, total: number | undefined) => void) {
  const files = new Map<string, data.DownloadProgress>();
  return (progress: data.DownloadProgress): void => {
    files.set(progress.file, progress);
    const all = [...files.values()];
    const isTold = all.length === 4 && all.every(({ total }) => total !== undefined);
    onReceived(
      all.reduce((sum, { received }) => sum + received, 0),
      isTold ? all.reduce((sum, { total }) => sum + total!, 0) : undefined,
    );
  };
}
