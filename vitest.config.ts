import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path: string) => fileURLToPath(new URL(`src/${path}`, import.meta.url));

export default defineConfig({
  // The playground imports the library by its name, which is not its own package's.
  resolve: { alias: [{ find: /^flybrick\/(\w+)$/, replacement: source("$1/index.ts") }] },
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Many tests wait for processes that they start, so that even two cores are worth two workers.
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
});
