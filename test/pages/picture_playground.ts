// Takes pictures of the playground in Debian's chromium, while it trains on SwiftShader: npm run picture:playground [folder]
// (build/pictures unless told), and as a reload finds it then. It needs npm run build:playground and npm ci --prefix test/pages before.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openBrowser } from "./browser.js";
import { serveFolder } from "./serve.js";

const folder = process.argv[2] ?? "build/pictures";
mkdirSync(folder, { recursive: true });

const shots = [
  { name: "desktop-light", width: 1280, height: 900, colorScheme: "light", locale: "en-GB" },
  { name: "phone-dark", width: 400, height: 860, colorScheme: "dark", locale: "zh-CN" },
  { name: "4k-dark", width: 3840, height: 2160, colorScheme: "dark", locale: "en-GB" },
] as const;

const browser = await openBrowser();
if (!browser) process.exit(1);
const server = await serveFolder("playground/dist", "/");
try {
  for (const { name, width, height, colorScheme, locale } of shots) {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme, locale });
    await page.goto(`${server.url}/#net=lenet&learningRate=0.01&batchSize=64&epochs=20&device=webgpu`);
    await page.selectOption("#activation", "relu");
    await page.screenshot({ path: join(folder, `${name}-start.png`), fullPage: true });
    await page.click("#train");
    // The second epoch has begun, so that there is a test accuracy.
    await page.locator("#status", { hasText: /Epoch 2|第 2\/20/ }).waitFor({ timeout: 180_000 });
    // Panels are drawn while they are on the screen.
    for (const [section, drawing] of [
      ["inside", "norms"],
      ["results", "confusion"],
      ["history", "history-chart"],
    ] as const) {
      await page.locator(`#${section}`).scrollIntoViewIfNeeded();
      await page.locator(`#${drawing} > svg`).waitFor({ timeout: 120_000 });
    }
    await page.click("#take-garment");
    await page.locator("#guesses li").first().waitFor({ timeout: 120_000 });
    await page.locator("#inside").scrollIntoViewIfNeeded();
    await page.click("#pause");
    await page.locator("#status", { hasText: /^(Paused|已暂停)/ }).waitFor({ timeout: 60_000 });
    await page.screenshot({ path: join(folder, `${name}-training.png`), fullPage: true });
    await page.locator("#status", { hasText: /^Paused|^已暂停/ }).waitFor();
    await page.reload();
    await page.locator("#status", { hasText: /Go on|继续/ }).waitFor();
    for (const panel of ["#data", "#files"]) await page.click(`${panel} summary`);
    await page.selectOption("#data-source", "address");
    await page.fill("#data-address", "nowhere");
    await page.click("#data-load");
    await page.locator("#data-said.wrong").waitFor();
    // The editor measures its lines where they are seen.
    await page.evaluate("scrollTo(0, 0)");
    await page.waitForTimeout(500);
    await page.screenshot({ path: join(folder, `${name}-reloaded.png`), fullPage: true });
    await page.close();
    console.log(`${name}: three pictures in ${folder}`);
  }
} finally {
  await browser.close();
  server.close();
}
