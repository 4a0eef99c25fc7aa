import { type IncomingHttpHeaders, request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LivePage, serveLive } from "../../src/cli/live_page.js";
import { pageStyle } from "../../src/views/page_style.js";
import { epochs, report } from "../views/report.js";

let now = report();
let live: LivePage;
beforeAll(async () => {
  live = await serveLive(() => now);
});
afterAll(() => live.close());

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** fetch() would set Host itself. */
function ask(
  path: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { ...options, path, host: "127.0.0.1", port: new URL(live.url).port },
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (chunk) => {
          body += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, body }));
      },
    );
    sent.on("error", reject);
    sent.end();
  });
}

describe("a live page", () => {
  test("is on loopback alone, and says strictly what it may do", async () => {
    expect(live.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    const { status, headers, body } = await ask("/");
    expect(status).toBe(200);
    expect(body).toContain(pageStyle);
    const policy = headers["content-security-policy"]!;
    expect(policy).toMatch(
      /^default-src 'none'; img-src data:; style-src 'sha256-[^']+'; script-src 'sha256-/,
    );
    expect(policy).not.toMatch(/unsafe|\*|http:/);
    for (const directive of [
      "connect-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "form-action 'none'",
    ])
      expect(policy).toContain(directive);
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["cache-control"]).toBe("no-store");
    expect(headers["cross-origin-resource-policy"]).toBe("same-origin");
    expect(headers["access-control-allow-origin"]).toBeUndefined();
  });

  test("answers localhost and its own origin", async () => {
    const { port } = new URL(live.url);
    const host = `localhost:${port}`;
    expect((await ask("/", { headers: { host } })).status).toBe(200);
    expect((await ask("/", { headers: { host, origin: `http://${host}` } })).status).toBe(200);
  });

  test.each(["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example"])(
    "refuses the host %j and shows nothing",
    async (host) => {
      for (const path of ["/", "/events"]) {
        const { status, headers, body } = await ask(path, { headers: { host } });
        expect(status).toBe(403);
        expect(body).not.toContain("Fashion");
        expect(headers["content-security-policy"]).toContain("default-src 'none'");
      }
    },
  );

  test.each(["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1.evil.example"])(
    "refuses the origin %j",
    async (origin) => {
      for (const path of ["/", "/events"]) {
        const { status, body } = await ask(path, { headers: { origin } });
        expect(status).toBe(403);
        expect(body).not.toContain("Fashion");
      }
    },
  );

  test.each(["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])("refuses %s", async (method) => {
    const { status, headers } = await ask("/", { method });
    expect(status).toBe(405);
    expect(headers.allow).toBe("GET");
  });

  test("has nothing else to show", async () => {
    for (const path of ["/favicon.ico", "/metrics.jsonl", "/../config.json", "//", "/?x=1"])
      expect((await ask(path)).status).toBe(404);
  });

  test("sends what is, then what changes", async () => {
    const stream = await fetch(new URL("events", live.url));
    expect(stream.headers.get("content-type")).toBe("text/event-stream");
    const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    const next = async (): Promise<{ title: string; main: string }> => {
      while (!text.includes("\n\n")) {
        const { value, done } = await reader.read();
        if (done) throw new Error("the stream ended");
        text += value;
      }
      const event = text.slice(0, text.indexOf("\n\n"));
      text = text.slice(event.length + 2);
      expect(event).toMatch(/^data: [^\n]+$/);
      return JSON.parse(event.slice("data: ".length));
    };
    expect((await next()).title).toBe("4/10 LeNet on Fashion-MNIST");
    now = report({ epochs: epochs(10) });
    live.update();
    const { title, main } = await next();
    expect(title).toBe("LeNet on Fashion-MNIST");
    expect(main).toContain('<section data-part="figures"');
    await reader.cancel();
  });

  test("takes no port that is taken", async () => {
    const port = Number(new URL(live.url).port);
    await expect(serveLive(() => now, port)).rejects.toThrow(`port ${port} cannot be had`);
  });
});
