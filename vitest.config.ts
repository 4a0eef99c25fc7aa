import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Many tests wait for processes that they start, so that even two cores are worth two workers.
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
});
