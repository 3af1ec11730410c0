import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder, Tool } from "../helpers/tool.ts";

test("a run with nothing left to wait for is a defect that is told, and no success", async () => {
  const path = join(temporaryFolder(), "never.cjs");
  writeFileSync(
    path,
    "require('node:net').Socket.prototype.connect = function () { return this; };",
  );
  const tool = new Tool(["tcp", "connect", "127.0.0.1", "9", "--connect-timeout", "0"], {
    env: { NODE_OPTIONS: `--require ${path}` },
  });
  expect((await tool.ended).code).toBe(1);
  expect(tool.all("error")).toMatchObject([{ code: "EINTERNAL", exitCode: 1 }]);
  expect(tool.all("error")[0]?.message).toContain("nothing is left to wait for");
});
