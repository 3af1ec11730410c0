import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { Running, bin } from "../helpers/tool.ts";

const root = resolve(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(resolve(root, path), "utf8");
const manifest = JSON.parse(read("package.json")) as Record<string, unknown> & { version: string };

test("what is published is the program and its papers, and nothing else", () => {
  // What is built is published as it is: the scripts would build it once more.
  const output = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: root,
    encoding: "utf8",
    shell: process.platform === "win32",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [packed] = Object.values(
    JSON.parse(output) as Record<string, { files: { path: string }[] }>,
  );
  expect(packed?.files.map(({ path }) => path).toSorted()).toEqual([
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "bin/portcat.js",
    "dist/portcat.js",
    "package.json",
  ]);
});

test("the manifest says what the program is, needs and allows", () => {
  expect(manifest).toMatchObject({
    name: "portcat",
    bin: { portcat: "bin/portcat.js" },
    engines: { node: "^20.16.0 || >=22.3.0" },
    license: "MIT",
  });
  // The bundle holds what every run needs.
  expect(Object.keys(manifest["dependencies"] as object)).toEqual([
    "@peculiar/x509",
    "mime-types",
    "reflect-metadata",
    "send",
    "socks",
  ]);
  expect(manifest["type"]).not.toBe("module");
  expect(manifest["files"]).toBeUndefined();
});

test("the licence, the changelog and the program agree with the manifest", async () => {
  expect(read("LICENSE")).toMatch(/^MIT License/);
  expect(read("CHANGELOG.md")).toMatch(/^## \[(Unreleased|\d+\.\d+\.\d+)\]/m);
  const { code, stdout, stderr } = await new Running(process.execPath, [bin, "--version"]).ended;
  expect([code, stdout.toString(), stderr]).toEqual([0, `${manifest.version}\n`, ""]);
});

test("the program starts with the line that makes it one", () => {
  expect(read("bin/portcat.js")).toMatch(/^#!\/usr\/bin\/env node\n/);
  expect(existsSync(resolve(root, "dist/portcat.js"))).toBe(true);
});
