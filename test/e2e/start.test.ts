import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import module from "node:module";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { version } from "../../package.json";
import { bin, portcat, Running, temporaryFolder } from "../helpers/tool.ts";

/** Starts it with a cache folder of the test's own, and makes sure that it did what it should. */
async function start(env: Record<string, string>, cwd?: string): Promise<void> {
  const run = portcat(["--version"], {
    env: { NODE_COMPILE_CACHE: "", ...env },
    ...(cwd !== undefined && { cwd }),
  });
  expect(await run.ended).toMatchObject({ code: 0, signal: null, stderr: "" });
  expect(run.stdout.toString()).toBe(`${version}\n`);
}

/** The files below a folder, with their contents. */
function filesIn(folder: string): Map<string, Buffer> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const paths = names.map((name) => join(folder, name));
  return new Map(
    paths.filter((path) => statSync(path).isFile()).map((path) => [path, readFileSync(path)]),
  );
}

describe.skipIf(process.platform === "win32")("the compiled program", () => {
  test("is kept in a folder of the user's own, that nobody else can enter, and is used again", async () => {
    const cache = join(temporaryFolder(), "cache");
    await start({ XDG_CACHE_HOME: cache });
    const kept = filesIn(join(cache, "portcat"));
    expect(kept.size).toBe(1);
    expect(statSync(join(cache, "portcat")).mode & 0o077).toBe(0);
    await start({ XDG_CACHE_HOME: cache });
    expect(filesIn(join(cache, "portcat"))).toEqual(kept);
  });

  test.each([
    ["damaged", (bytes: Buffer) => Buffer.from(bytes.map((byte, i) => (i % 97 ? byte : ~byte)))],
    ["cut short", (bytes: Buffer) => bytes.subarray(0, bytes.length / 2 + 1)],
    ["empty", () => Buffer.alloc(0)],
    ["of something else", () => Buffer.from("not what it should be, twice the same")],
  ])("that is %s is made again", async (_, spoil) => {
    const cache = temporaryFolder();
    await start({ XDG_CACHE_HOME: cache });
    for (const [path, bytes] of filesIn(cache)) writeFileSync(path, spoil(bytes));
    await start({ XDG_CACHE_HOME: cache });
    await start({ XDG_CACHE_HOME: cache });
  });

  test("is made again for another program of the same size and date", async () => {
    const [cache, copy] = [temporaryFolder(), temporaryFolder()];
    const program = join(copy, "dist", "portcat.js");
    for (const folder of ["bin", "dist"])
      cpSync(join(bin, "../..", folder), join(copy, folder), { recursive: true });
    const runs = async (expected: string) => {
      const options = { env: { NODE_COMPILE_CACHE: "", XDG_CACHE_HOME: cache } };
      const args = [join(copy, "bin", "portcat.js"), "--version"];
      const run = new Running(process.execPath, args, options);
      expect(await run.ended).toMatchObject({ code: 0, stdout: Buffer.from(`${expected}\n`) });
    };
    const date = new Date("2026-01-01");
    utimesSync(program, date, date);
    await runs(version);
    const other = version.replace(/\d/, "9");
    writeFileSync(program, readFileSync(program, "utf8").replace(`"${version}"`, `"${other}"`));
    utimesSync(program, date, date);
    await runs(other);
    await runs(other);
  });

  // Since Node 22.1 it is Node that writes it.
  test.skipIf("enableCompileCache" in module)(
    "leaves nothing unfinished where there is no room for it",
    async () => {
      const cache = temporaryFolder();
      const script = `trap "" XFSZ; ulimit -f 16; exec "$0" "$@"`;
      const env = { XDG_CACHE_HOME: cache };
      const run = new Running("sh", ["-c", script, process.execPath, bin, "--version"], { env });
      expect(await run.ended).toMatchObject({ code: 0, stderr: "" });
      expect(readdirSync(join(cache, "portcat"))).toEqual([]);
    },
  );

  test.skipIf("enableCompileCache" in module)(
    "is not waited for where a pipe is in its place",
    async () => {
      const cache = temporaryFolder();
      await start({ XDG_CACHE_HOME: cache });
      for (const path of filesIn(cache).keys()) {
        rmSync(path);
        spawnSync("mkfifo", [path]);
      }
      await start({ XDG_CACHE_HOME: cache });
    },
  );

  test("is not kept with NODE_DISABLE_COMPILE_CACHE=1", async () => {
    const cache = temporaryFolder();
    await start({ XDG_CACHE_HOME: cache, NODE_DISABLE_COMPILE_CACHE: "1" });
    expect(filesIn(cache).size).toBe(0);
  });

  test("is not kept where it cannot be: no home, a home that is missing, a file, full or not ours", async () => {
    const file = join(temporaryFolder(), "file");
    writeFileSync(file, "");
    const locked = temporaryFolder();
    mkdirSync(join(locked, "portcat"));
    chmodSync(join(locked, "portcat"), 0o500);
    await start({ HOME: "" });
    await start({ HOME: "/nonexistent" });
    await start({ HOME: "/proc" });
    await start({ XDG_CACHE_HOME: file });
    await start({ XDG_CACHE_HOME: locked });
  });

  test.each([
    ["relative", "cache"],
    ["relative to a folder that is there", "."],
    ["empty", ""],
  ])("is kept below ~/.cache where XDG_CACHE_HOME is %s", async (_, name) => {
    const [home, cwd] = [temporaryFolder(), temporaryFolder()];
    await start({ HOME: home, XDG_CACHE_HOME: name }, cwd);
    expect(filesIn(join(home, ".cache", "portcat")).size).toBe(1);
    expect(readdirSync(home)).toEqual([".cache"]);
    expect(readdirSync(cwd)).toEqual([]);
  });

  test.each([
    ["whose group may write to it", 0o770],
    ["that everybody may write to", 0o777],
    ["that others may write to, as to /tmp", 0o1777],
  ])("is not kept in a folder %s", async (_, mode) => {
    const cache = temporaryFolder();
    mkdirSync(join(cache, "portcat"));
    chmodSync(join(cache, "portcat"), mode);
    await start({ XDG_CACHE_HOME: cache });
    expect(readdirSync(join(cache, "portcat"))).toEqual([]);
  });

  test("is not kept where a link leads, to a folder of ours or to nowhere", async () => {
    const [cache, elsewhere] = [temporaryFolder(), temporaryFolder()];
    symlinkSync(elsewhere, join(cache, "portcat"));
    await start({ XDG_CACHE_HOME: cache });
    expect(readdirSync(elsewhere)).toEqual([]);
    const other = temporaryFolder();
    symlinkSync(join(elsewhere, "missing"), join(other, "portcat"));
    await start({ XDG_CACHE_HOME: other });
    expect(readdirSync(elsewhere)).toEqual([]);
  });

  test.skipIf(process.getuid?.() !== 0)(
    "is not kept in the home of somebody else (run as root)",
    async () => {
      const home = temporaryFolder();
      chownSync(home, 12345, 12345);
      await start({ HOME: home, XDG_CACHE_HOME: "" });
      expect(readdirSync(home)).toEqual([]);
    },
  );

  test.skipIf(process.getuid?.() !== 0)(
    "is not kept in a folder of somebody else (run as root)",
    async () => {
      const cache = temporaryFolder();
      mkdirSync(join(cache, "portcat"));
      chownSync(join(cache, "portcat"), 12345, 12345);
      await start({ XDG_CACHE_HOME: cache });
      expect(readdirSync(join(cache, "portcat"))).toEqual([]);
      const foreign = temporaryFolder();
      chownSync(foreign, 12345, 12345);
      await start({ XDG_CACHE_HOME: foreign });
      expect(filesIn(foreign).size).toBe(0);
    },
  );
});
