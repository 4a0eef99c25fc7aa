import { parentPort } from "node:worker_threads";
import { serve } from "./serve.js";

serve({
  send: (message, transfer = []) => parentPort!.postMessage(message, [...transfer]),
  receive: (listener) => void parentPort!.on("message", listener),
});
