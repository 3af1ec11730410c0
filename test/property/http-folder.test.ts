import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { locate } from "../../src/endpoints/http-folder.ts";
import { temporaryFolder } from "../helpers/tool.ts";

/** What a path may be made of, by somebody who wants to get out. */
const piece = fc.oneof(
  fc.constantFrom(
    ...[
      "..",
      ".",
      "",
      "%2e%2e",
      "%2E.",
      ".%2e",
      "..%2f",
      "%2f",
      "%5c",
      "\\",
      "..\\",
      "%00",
      "%",
      "~",
    ],
    ...["%252e%252e", "..;", "%c0%ae%c0%ae", "http://x", "?", "#", " "],
  ),
  fc.constantFrom("secret", "inner", "file.txt", "up", "out", "deep", ".hidden", "index.html"),
);
const target = fc
  .tuple(fc.constantFrom("/", "//", "", "http://x/", "/\\"), fc.array(piece, { maxLength: 8 }))
  .chain(([start, pieces]) =>
    fc.constantFrom("/", "%2f", "\\").map((separator) => start + pieces.join(separator)),
  );

test("whatever is asked for, only regular files of the folder are found, and no hidden ones", async () => {
  const folder = realpathSync(temporaryFolder());
  const root = join(folder, "root");
  mkdirSync(join(root, "inner", "deep"), { recursive: true });
  writeFileSync(join(folder, "secret"), "");
  for (const name of ["file.txt", ".hidden", "inner/file.txt", "inner/index.html", "inner/.hidden"])
    writeFileSync(join(root, name), "");
  symlinkSync("../secret", join(root, "out"));
  symlinkSync("..", join(root, "up"));
  symlinkSync("../../..", join(root, "inner", "up"));
  const found = new Set<string>();
  await fc.assert(
    fc.asyncProperty(target, async (text) => {
      const answer = await locate(root, text);
      if ("location" in answer) expect(answer.location).toMatch(/^\/(?!\/)/);
      if ("path" in answer) found.add(answer.path);
    }),
    { numRuns: 3000 },
  );
  const allowed = ["file.txt", "inner/file.txt", "inner/index.html"];
  expect([...found].filter((path) => !allowed.includes(path))).toEqual([]);
  // It has to find something, too.
  expect(found).toContain("file.txt");
  expect(relative(root, realpathSync(join(root, "up")))).toBe("..");
});
