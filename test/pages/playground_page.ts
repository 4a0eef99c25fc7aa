import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { openBrowser } from "./browser.js";
import { type Server, serveFolder } from "./serve.js";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Whether its packages are there; where a browser is required, so are they, and the build installs them. */
const isTested =
  existsSync(`${root}playground/node_modules/vite`) || process.env.FLYBRICK_REQUIRE_BROWSER !== undefined;
if (!isTested)
  console.warn("the playground is not tested: its packages are missing (npm ci --prefix playground)");

/** Chromium, or undefined where the playground cannot be tested. */
export async function openPlaygroundBrowser(): Promise<Browser | undefined> {
  return isTested ? openBrowser() : undefined;
}

/** Builds the playground into a folder of its own, since test files run side by side, and serves it below a path. */
export async function servePlayground(
  name: string,
): Promise<{ server: Server; folder: string; url: string }> {
  const folder = `build/playground-${name}`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["scripts/playground.js", "build", "--outDir", `../${folder}`, "--emptyOutDir"],
    { cwd: root, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`${stdout}\n${stderr}`);
  const server = await serveFolder(folder, "/some/path/");
  return { server, folder: `${root}${folder}`, url: `${server.url}/some/path/` };
}

/** Collects what a page has to complain of. */
export function listen(page: Page, errors: string[]): void {
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("requestfailed", (request) => errors.push(request.url()));
}

/** What axe finds that is serious or worse: each rule with the elements. */
export async function seriousFaults(page: Page): Promise<string[]> {
  interface Found {
    readonly violations: readonly { id: string; impact: string; nodes: readonly { html: string }[] }[];
  }
  const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  if (await page.evaluate("globalThis.axe === undefined")) await page.evaluate(axe);
  const { violations } = (await page.evaluate("axe.run()")) as Found;
  return violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

/** Waits for the editor, which takes the text area's place, and returns where its text is. */
export async function editorOf(page: Page) {
  const content = page.locator("#editor .cm-content");
  await content.waitFor({ timeout: 30_000 });
  return content;
}

/** A figure under the run, by its title. */
export function figure(page: Page, title: string): Promise<string | null> {
  return page.locator(`#figures dt:text-is("${title}") + dd`).textContent();
}

/** Steps of the epoch that the status tells. */
export async function stepOf(page: Page): Promise<number> {
  return Number(/step (\d+)/.exec((await page.locator("#status").textContent())!)?.[1]);
}

/** What the visitor's download holds. */
export async function downloadOf(page: Page, button: string): Promise<{ name: string; bytes: Uint8Array }> {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
  return { name: download.suggestedFilename(), bytes: readFileSync((await download.path())!) };
}
