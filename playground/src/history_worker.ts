import type { HistoryReport, HistoryRequest } from "./history.js";

// The library opens its device while it loads; what arrives before that would be lost to a later listener.
const learning = import("./history_learning.js");

addEventListener("message", async ({ data: request }: MessageEvent<HistoryRequest>) => {
  try {
    await (await learning).learn(request);
  } catch (error) {
    postMessage({ type: "failed", sentence: (error as Error).message } satisfies HistoryReport);
  }
});
