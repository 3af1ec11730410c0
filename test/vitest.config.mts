import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    setupFiles: ["test/helpers/setup.ts"],
    testTimeout: 30_000,
    // A machine that others use too may hold up a process for a second; twice in a row it does not.
    retry: process.env["CI"] ? 1 : 0,
    pool: "forks",
    // Most of a test's time is a spawned process's start.
    maxWorkers: 4,
    projects: [
      { extends: true, test: { name: "all", include: ["test/**/*.test.ts"] } },
      {
        // What Node's own sockets, streams and parsers have a part in, for all Nodes but the oldest.
        extends: true,
        test: {
          name: "system",
          include: ["test/**/*.test.ts"],
          exclude: [
            "test/contract/**",
            "test/e2e/{address,bad-input,help,recipes,scan}.test.ts",
            "test/interop/{scan,tcp,udp,unix,wait}.test.ts",
            "test/property/!(reset).test.ts",
          ],
        },
      },
      {
        // The same bytes and ends where nothing is read or written in a faster way of ours.
        extends: true,
        test: {
          name: "plain",
          include: [
            "test/e2e/{end-of-input,keep-open,leaving,message-sizes,tcp,udp,udp-batches}.test.ts",
            "test/property/reset.test.ts",
          ],
          env: { PORTCAT_PLAIN: "1" },
        },
      },
    ],
  },
});
