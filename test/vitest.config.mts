import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    dir: "test",
    include: ["**/*.test.ts"],
    setupFiles: ["test/helpers/setup.ts"],
    testTimeout: 30_000,
    // A machine that others use too may hold up a process for a second; twice in a row it does not.
    retry: process.env["CI"] ? 1 : 0,
    pool: "forks",
    // Most of a test's time is a spawned process's start.
    maxWorkers: 4,
  },
});
