import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    dir: "test",
    include: ["**/*.test.ts"],
    testTimeout: 30_000,
    pool: "forks",
    // Most of a test's time is a spawned process's start.
    maxWorkers: 4,
  },
});
