import { existsSync } from "node:fs";
import type { Browser } from "playwright-core";

const executablePath = "/usr/bin/chromium";

/**
 * Debian's chromium, headless, or undefined with a message where it is missing or not set up. Where CI sets
 * FLYBRICK_REQUIRE_BROWSER, a missing one is a failure. Without flags it has no WebGPU.
 */
export async function openBrowser(flags = ["--enable-unsafe-webgpu"]): Promise<Browser | undefined> {
  try {
    if (!existsSync(executablePath))
      throw new Error(`there is no ${executablePath} (apt-get install chromium)`);
    const { chromium } = await import("playwright-core").catch(() => {
      throw new Error("playwright-core is missing (npm ci --prefix test/pages)");
    });
    // Containers run as root and have a small /dev/shm; the pages are our own.
    return await chromium.launch({
      executablePath,
      args: ["--no-sandbox", "--disable-dev-shm-usage", ...flags],
    });
  } catch (error) {
    if (process.env.FLYBRICK_REQUIRE_BROWSER) throw error;
    console.warn(`pages are not tested in a browser: ${(error as Error).message}`);
    return undefined;
  }
}
