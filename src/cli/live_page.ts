import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileProblem, UserError } from "../core/errors.js";
import { pageTitle, type Report, reportMain, reportPage } from "../views/report_page.js";
import { pagePolicy } from "./run_report.js";

/** A report that changes while it is looked at. */
export interface LivePage {
  /** Where it is, such as http://127.0.0.1:40123/ */
  readonly url: string;
  /** Shows what the report is now to all who look. */
  update(): void;
  /** Ends all connections and the server. */
  close(): Promise<void>;
}

/** Replaces what changed, so that an open table stays open and the reader keeps the place. */
const script = `
const source = new EventSource("events");
const status = document.querySelector(".live");
source.onopen = () => { status.textContent = "live"; };
source.onerror = () => { status.textContent = "connection lost"; };
source.onmessage = ({ data }) => {
  const { title, main } = JSON.parse(data);
  const next = new DOMParser().parseFromString(main, "text/html");
  document.title = title;
  for (const part of next.querySelectorAll("[data-part]")) {
    const old = document.querySelector('[data-part="' + part.dataset.part + '"]');
    const open = old.querySelector("details")?.open ?? false;
    part.querySelector("details")?.toggleAttribute("open", open);
    if (old.innerHTML !== part.innerHTML) old.replaceChildren(...part.childNodes);
  }
};
`;

const headers = {
  "Content-Security-Policy": pagePolicy(script),
  "Cache-Control": "no-store",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

/**
 * Serves a report on this machine's loopback address alone. A name that someone else's page makes point here (DNS
 * rebinding) is refused by its Host, another site's request by its Origin. Port 0 is any free one. Throws a UserError
 * where the port cannot be had.
 */
export async function serveLive(report: () => Report, port = 0): Promise<LivePage> {
  const listeners = new Set<ServerResponse>();
  let hosts: readonly string[] = [];
  const event = (): string => {
    const now = report();
    return `data: ${JSON.stringify({ title: pageTitle(now), main: reportMain(now) })}\n\n`;
  };
  const server = createServer((request, response) => {
    const refusal = refuse(request, hosts);
    if (refusal) {
      response.writeHead(refusal.status, { ...headers, ...refusal.headers, "Content-Type": "text/plain" });
      response.end(`${refusal.reason}\n`);
    } else if (request.url === "/") {
      response.writeHead(200, { ...headers, "Content-Type": "text/html; charset=utf-8" });
      response.end(reportPage(report(), { script }));
    } else {
      response.writeHead(200, { ...headers, "Content-Type": "text/event-stream" });
      // What happened since the page was sent, or while the connection was lost.
      response.write(event());
      listeners.add(response);
      response.on("close", () => listeners.delete(response));
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(
        new UserError(`port ${port} cannot be had, because ${fileProblem(error)}: choose another --port`),
      ),
    );
    server.listen(port, "127.0.0.1", resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  hosts = [`127.0.0.1:${bound}`, `localhost:${bound}`];
  return {
    url: `http://${hosts[0]}/`,
    update() {
      if (listeners.size === 0) return;
      const text = event();
      for (const response of listeners) response.write(text);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly headers?: Record<string, string>;
}

function refuse({ headers, method, url }: IncomingMessage, hosts: readonly string[]): Refusal | undefined {
  const { host, origin } = headers;
  if (!hosts.includes(host ?? ""))
    return { status: 403, reason: `This page is at ${hosts.join(" or ")} only.` };
  if (origin !== undefined && !hosts.some((one) => origin === `http://${one}`))
    return { status: 403, reason: "Other sites have no access." };
  if (method !== "GET")
    return { status: 405, reason: "Nothing but GET is served.", headers: { Allow: "GET" } };
  if (url !== "/" && url !== "/events") return { status: 404, reason: "There is nothing here." };
  return undefined;
}
