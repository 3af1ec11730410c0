import { readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fileAnswer } from "../../src/endpoints/http-answers.ts";
import { CountedResponse } from "../../src/endpoints/http-response.ts";
import { temporaryFolder } from "../helpers/tool.ts";

const folder = "/proc/self/fd";

const isOpen = (path: string) =>
  readdirSync(folder).some((descriptor) => {
    try {
      return readlinkSync(join(folder, descriptor)) === path;
    } catch {
      return false;
    }
  });

test.skipIf(process.platform !== "linux")(
  "a file whose answer cannot begin is closed",
  async () => {
    const path = join(temporaryFolder(), "body");
    writeFileSync(path, "body");
    const response = new CountedResponse(new IncomingMessage(new Socket()));
    const answer = fileAnswer({ status: 200, headers: [["no name", "x"]] }, path);
    await expect(answer.send(response.req, response, undefined)).rejects.toThrow("no name");
    expect(isOpen(path)).toBe(false);
  },
);
