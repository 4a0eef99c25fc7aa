import type { Command } from "./messages.js";
import { serve } from "./serve.js";

/** What is used of a worker's own scope, which the browser's types declare and Node's do not. */
declare const self: {
  postMessage(message: unknown, transfer: readonly ArrayBuffer[]): void;
  addEventListener(type: "message", listener: (event: { readonly data: Command }) => void): void;
  onmessage: unknown;
};

serve({
  send: (message, transfer = []) => self.postMessage(message, transfer),
  receive: (listener) => self.addEventListener("message", ({ data }) => listener(data)),
});
