import type { Report, Request } from "./messages.js";

// The library opens its device while it loads; what arrives before that would be lost to a later listener.
const training = import("./training.js");

addEventListener("message", async ({ data: request }: MessageEvent<Request>) => {
  try {
    (await training).handle(request);
  } catch (error) {
    if (request.type !== "train") return;
    const sentence = (error as Error).message;
    postMessage({ type: "failed", run: request.run, sentence } satisfies Report);
  }
});
